"""The message that every benchmark sends: small and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

TOPIC = "plants/north/flow"


class Reading(msgspec.Struct):
    """A measured value."""

    plant: str
    time: int
    flow: float


@dataclass
class PlainReading:
    """The same for peers that do not know msgspec."""

    plant: str
    time: int
    flow: float


def reading(number: int) -> Reading:
    """Return the reading of a number."""
    return Reading("north", 1_647_770_400 + number, 100.0 + number % 100 / 10)


def plain(number: int) -> PlainReading:
    """Return the reading of a number as a dataclass."""
    return PlainReading("north", 1_647_770_400 + number, 100.0 + number % 100 / 10)


def as_dict(number: int) -> dict[str, Any]:
    """Return the reading of a number as a dict."""
    return {"plant": "north", "time": 1_647_770_400 + number, "flow": 100.0 + number % 100 / 10}
