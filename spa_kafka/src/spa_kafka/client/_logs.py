"""What the driver's log must not show, and what it takes for alarming although it is not."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["mind_logs"]

_CALM: Final = {
    "aiokafka.consumer.group_coordinator": ("Heartbeat failed for group %s because it is rebalancing",),
    "aiokafka.producer.sender": ("Got error produce response on topic-partition %s, retrying.",),
}
"""Beginnings of warnings about what happens every day: a member joins, a topic was just made."""


def mind_logs() -> None:
    """Keep what is sent to authenticate out of the driver's log, and everyday life out of its warnings."""
    logging.getLogger("aiokafka.conn").addFilter(_without_passwords)
    for name in _CALM:
        logging.getLogger(name).addFilter(_calmed)


def _without_passwords(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any("Sasl" in type(each).__name__ for each in arguments)


def _calmed(record: logging.LogRecord) -> bool:
    if record.levelno == logging.WARNING and " ".join(str(record.msg).split()).startswith(_CALM.get(record.name, ())):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)
    return True
