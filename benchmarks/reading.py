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


class NotedReading(Reading):
    """A measured value with a note, which fills it up to any size."""

    note: str


@dataclass
class PlainReading:
    """The same for peers that do not know msgspec."""

    plant: str
    time: int
    flow: float


@dataclass
class PlainNotedReading(PlainReading):
    """The same with a note."""

    note: str


def reading(number: int) -> Reading:
    """Return the reading of a number."""
    return Reading("north", 1_647_770_400 + number, 100.0 + number % 100 / 10)


def plain(number: int) -> PlainReading:
    """Return the reading of a number as a dataclass."""
    return PlainReading("north", 1_647_770_400 + number, 100.0 + number % 100 / 10)


def as_dict(number: int) -> dict[str, Any]:
    """Return the reading of a number as a dict."""
    return {"plant": "north", "time": 1_647_770_400 + number, "flow": 100.0 + number % 100 / 10}


def json_of_size(size: int) -> bytes:
    """Return a noted reading in JSON of exactly *size* bytes."""
    bare = msgspec.json.encode(NotedReading("north", 1_647_770_400, 100.6, ""))
    return msgspec.json.encode(NotedReading("north", 1_647_770_400, 100.6, "x" * (size - len(bare))))
