"""The control room: alarms in a row are one spell, and the spells of a plant are its report. Pure."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import msgspec
from detector import Alarm

PAUSE = timedelta(hours=3)  # alarms further apart are two spells


class Spell(msgspec.Struct, frozen=True):
    """
    Alarms in a row, all low or all high.

    Attributes:
        first: The time of the first alarm.
        last: The time of the last one.
        worst: The one furthest from what is usual.
    """

    first: datetime
    last: datetime
    worst: Alarm

    @property
    def is_low(self) -> bool:
        """Whether less flowed than usual."""
        return self.worst.z < 0

    @property
    def hours(self) -> int:
        """How long it lasted."""
        return round((self.last - self.first) / timedelta(hours=1)) + 1

    def includes(self, alarm: Alarm) -> bool:
        """Return whether an alarm belongs to this spell."""
        return alarm.time - self.last <= PAUSE and (alarm.z < 0) == self.is_low

    def extended_by(self, alarm: Alarm) -> Spell:
        """Return this spell with one more alarm; one that came before changes nothing."""
        worst = max(self.worst, alarm, key=lambda either: abs(either.z))
        return Spell(self.first, max(self.last, alarm.time), worst)


class Report(msgspec.Struct, frozen=True):
    """
    What happened at a plant.

    Attributes:
        plant: The plant.
        spells: Its spells, the oldest first.
    """

    plant: str
    spells: list[Spell]


class Logbook:
    """The spells of every plant."""

    def __init__(self) -> None:
        self._spells: defaultdict[str, list[Spell]] = defaultdict(list)

    def note(self, plant: str, alarm: Alarm) -> Spell:
        """Note an alarm and return its spell."""
        spells = self._spells[plant]
        if spells and spells[-1].includes(alarm):
            spells[-1] = spells[-1].extended_by(alarm)
        else:
            spells.append(Spell(alarm.time, alarm.time, alarm))
        return spells[-1]

    def report(self, plant: str) -> Report:
        """Return the report on a plant."""
        return Report(plant, list(self._spells[plant]))
