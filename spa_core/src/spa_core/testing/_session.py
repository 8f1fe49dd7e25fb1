"""What the options of a run of pytest do to a scenario; knows no transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spa_core.testing._notes import ScenarioNote, TransportNote, attach
from spa_core.testing.scenario import missing_capability, scenario_of

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit
    from spa_core.testing.scenario import Scenario
    from spa_core.testing.suite import TransportSuite

__all__ = ["prepared"]


def prepared(suite: TransportSuite, request: pytest.FixtureRequest) -> Kit:
    """Return the tools of the scenario that *request* is for, after the run's options; skip what is not for them."""
    found = scenario_of(request.function)
    if found is not None:
        attach(request.node, ScenarioNote(suite=type(suite).__qualname__, scenario=found))
    kit, *twins = _kits(suite, request.config)
    if found is not None:
        _skip_unless_meant_for(suite, found, kit, request.node)
    kit.twins += twins
    return kit


def _kits(suite: TransportSuite, config: pytest.Config) -> list[Kit]:
    # The options are missing where the plugin is blocked.
    seed = getattr(config.option, "spa_seed", None)
    first: int = suite.seed if seed is None else seed
    multiplier = getattr(config.option, "spa_timeout_multiplier", 1.0)
    copies = getattr(config.option, "spa_stress", 1)
    return [suite.make_kit(seed=first + number, timeout_multiplier=multiplier) for number in range(copies)]


def _skip_unless_meant_for(suite: TransportSuite, scenario: Scenario, kit: Kit, item: pytest.Item) -> None:
    undeclared = missing_capability(kit.capabilities, scenario.needs) is not None
    transport = kit.provider.describe() if suite.subject is None else suite.subject
    attach(item, TransportNote(transport=transport, capabilities=kit.capabilities, undeclared=undeclared))
    reason = suite.reason_to_skip(scenario, kit)
    if reason is not None:
        pytest.skip(reason)
