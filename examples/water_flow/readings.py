"""The readings: one hour of measured flow each, from a file; nothing here knows of messages."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import msgspec

SERIES = Path(__file__).with_name("data") / "water-flow.csv"


class Reading(msgspec.Struct, frozen=True):
    """
    What a flow meter measured in one hour.

    Attributes:
        time: When the hour began, with the plant's offset from UTC.
        flow: Litres a second.
    """

    time: datetime
    flow: float


def read_series(path: Path = SERIES) -> list[Reading]:
    """Return the readings of a file, oldest first."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Reading(time=datetime.fromisoformat(row["Time"]), flow=float(row["Water flow [l/s]"]))
            for row in csv.DictReader(file)
        ]
