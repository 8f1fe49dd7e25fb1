"""
The detector: is a reading unusual for its hour of the day? Pure; it knows only what it has learned before.

Usual is the median of the same hour on earlier days, and the distance from it is counted in robust standard deviations:
a day without water moves a mean and its deviation for weeks, but hardly a median.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from readings import Reading

LEARNING_DAYS = 3  # nothing is called unusual before an hour was seen on so many days
REMEMBERED_DAYS = 28
THRESHOLD = 6.0  # robust standard deviations; somebody is called out of bed for it
SIGMAS = 1.4826  # times the median absolute deviation is the standard deviation of normally distributed readings
TOLERANCE = 0.01  # of the usual flow; three days that happen to be alike must not make a fourth one unusual


class Alarm(msgspec.Struct, frozen=True):
    """
    A reading far from what is usual.

    Attributes:
        time: The time of the reading.
        flow: What was measured, in litres a second.
        usual: What is usual at that hour, in litres a second.
        z: How many robust standard deviations lie between them; negative for low flow.
    """

    time: datetime
    flow: float
    usual: float
    z: float


class Checked(msgspec.Struct, frozen=True):
    """
    What the detector answers.

    Attributes:
        readings: How many readings of the plant it has checked so far.
    """

    readings: int


class Detector:
    """What has been learned of every plant, hour by hour of the day."""

    def __init__(self) -> None:
        self._learned: defaultdict[tuple[str, int], deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED_DAYS))
        self._readings: Counter[str] = Counter()

    def judge(self, plant: str, reading: Reading) -> Alarm | None:
        """Return an alarm if the reading is unusual; learn nothing from it."""
        learned = self._learned[plant, reading.time.hour]
        if len(learned) < LEARNING_DAYS:
            return None
        usual = median(learned)
        deviation = SIGMAS * median(abs(flow - usual) for flow in learned)
        z = (reading.flow - usual) / max(deviation, TOLERANCE * usual)
        return Alarm(reading.time, reading.flow, usual, z) if abs(z) >= THRESHOLD else None

    def learn(self, plant: str, reading: Reading) -> Checked:
        """Learn from a reading, unusual or not."""
        self._learned[plant, reading.time.hour].append(reading.flow)
        self._readings[plant] += 1
        return Checked(self._readings[plant])
