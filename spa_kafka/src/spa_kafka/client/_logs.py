"""
What the driver's log must not show, what it takes for alarming although it is not, and how often it may say one thing.

A lost cluster is told once, by ourselves. The driver tells of it with each attempt of each of its clients, hundreds of
times a second: of those complaints one a minute is left of each kind, and the others are for whoever debugs.
"""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["Seldom", "mind_logs"]

_CALM: Final = {
    "aiokafka.consumer.group_coordinator": ("Heartbeat failed for group %s because it is rebalancing",),
    "aiokafka.producer.sender": ("Got error produce response on topic-partition %s, retrying.",),
}
"""Beginnings of warnings about what happens every day: a member joins, a topic was just made."""

_REPLIES_GONE: Final = "Topic spa.reply."
"""The beginning of an error about who was answered and has gone, and the topic of its replies with it."""

_TALKATIVE: Final = (
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.coordinator.assignors.roundrobin",
    "aiokafka.producer.sender",
)
"""The driver's loggers that complain."""

_PAUSE: Final = 60.0
"""Seconds between two complaints of one kind."""


def mind_logs() -> None:
    """Keep what is sent to authenticate out of the driver's log, everyday life out of its warnings, and floods away."""
    logging.getLogger("aiokafka.conn").addFilter(_without_passwords)
    for name in _CALM:
        logging.getLogger(name).addFilter(_calmed)
    logging.getLogger("aiokafka.cluster").addFilter(_without_replies)
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(Seldom(_PAUSE))


class Seldom(logging.Filter):
    """
    Lets a complaint of each kind pass now and then; those in between become debug messages.

    Args:
        pause: Seconds between two of one kind.
    """

    def __init__(self, pause: float) -> None:
        super().__init__()
        self._pause = pause
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged, as what it is by now."""
        if record.levelno < logging.WARNING:
            return True
        kind, now = str(record.msg), time.monotonic()  # without its arguments, which are numbers and names
        if now >= self._passed.get(kind, -self._pause) + self._pause:
            self._passed[kind] = now
            return True
        return _lowered(record, logging.DEBUG)


def _without_passwords(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any("Sasl" in type(each).__name__ for each in arguments)


def _calmed(record: logging.LogRecord) -> bool:
    if record.levelno == logging.WARNING and " ".join(str(record.msg).split()).startswith(_CALM.get(record.name, ())):
        return _lowered(record, logging.INFO)
    return True


def _without_replies(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_REPLIES_GONE) or _lowered(record, logging.DEBUG)


def _lowered(record: logging.LogRecord, level: int) -> bool:
    record.levelno, record.levelname = level, logging.getLevelName(level)
    return logging.getLogger(record.name).isEnabledFor(level)
