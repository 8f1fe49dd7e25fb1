"""What a test that runs a scenario tells about itself: text that travels with pytest's reports, between processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from spa_core.testing.scenario import Scenario
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    import pytest

__all__ = ["Note", "ScenarioNote", "TransportNote", "attach", "notes_of"]

_PROPERTY: Final = "spa"


class ScenarioNote(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """
    What is known before anything can fail.

    Attributes:
        suite: The name of the suite's class.
        scenario: The scenario.
    """

    suite: str
    scenario: Scenario


class TransportNote(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """
    What is known once there is a provider.

    Attributes:
        transport: The provider's description.
        capabilities: What it declares.
        undeclared: Whether the scenario needs what it does not declare.
    """

    transport: str
    capabilities: Capabilities
    undeclared: bool


Note = ScenarioNote | TransportNote


def attach(item: pytest.Item, note: Note) -> None:
    """Let every report about *item* that pytest makes from now on carry *note*."""
    item.user_properties.append((_PROPERTY, msgspec.json.encode(note).decode()))


def notes_of(report: pytest.TestReport) -> list[Note]:
    """Return what a report carries."""
    return [msgspec.json.decode(str(value), type=Note) for name, value in report.user_properties if name == _PROPERTY]
