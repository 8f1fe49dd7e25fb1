"""
Records that wait for their next attempt in a topic of their group: how they are written there and read again. Pure.

A record travels with its bytes, its headers and where it came from, and comes back as it was. The topics are few, one
for each step of the delays; when a record is due stands in the record itself, to the millisecond.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from spa_kafka.topics import retry_name
from spa_kafka.wire import Record as Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_kafka.client import Record

__all__ = ["Original", "postponed", "restored", "waiting_place"]

_STEPS: Final = (1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400)
"""Seconds that topics are named by; a longer delay waits in the last one."""

_ATTEMPTS: Final = "spa-retry-attempts"
_DUE: Final = "spa-retry-due"
_GROUP: Final = "spa-retry-group"
_OFFSET: Final = "spa-retry-offset"
_TIMESTAMP: Final = "spa-retry-timestamp"
_TOPIC: Final = "spa-retry-topic"
_OURS: Final = frozenset({_ATTEMPTS, _DUE, _GROUP, _OFFSET, _TIMESTAMP, _TOPIC})


class Original(NamedTuple):
    """
    A record as it was before it had to wait.

    Attributes:
        topic: The topic it came from.
        offset: Its offset in the topic it waited in.
        timestamp: Its own timestamp, in milliseconds since the epoch.
        key: Its key.
        value: Its body.
        headers: Its headers.
        group: The id of the group that waits for it.
        attempts: Deliveries made of it.
        due: When it may be delivered again, in milliseconds since the epoch.
    """

    topic: str
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    group: str
    attempts: int
    due: int


def waiting_place(name: str, group: str, delay: float) -> str:
    """
    Return the topic where records of the topic *name* wait for *delay* seconds in *group*.

    Raises:
        TopicError: The name would be too long.
    """
    return retry_name(name, group, _STEPS[min(bisect_left(_STEPS, delay), len(_STEPS) - 1)])


def postponed(
    record: Record | Original, place: str, *, origin: str, group: str, attempts: int, due: int, now: int
) -> Outgoing:
    """
    Return what is written to let a record wait.

    Args:
        record: The record.
        place: The topic it waits in.
        origin: Where it was last delivered from: topic, partition and offset, for people.
        group: The id of the group that waits for it.
        attempts: Deliveries made of it.
        due: When it may be delivered again, in milliseconds since the epoch.
        now: The time, by which the broker counts how long it keeps the record.
    """
    ours = {
        _TOPIC: record.topic,
        _OFFSET: origin,
        _TIMESTAMP: str(record.timestamp),
        _GROUP: group,
        _ATTEMPTS: str(attempts),
        _DUE: str(due),
    }
    headers = [*record.headers, *((name, text.encode()) for name, text in ours.items())]
    return Outgoing(place, record.key, record.value, headers, now)


def restored(record: Record) -> Original | None:
    """Return the record that waited; ``None`` if somebody else wrote to the topic what cannot be read."""
    found = {name: value for name, value in record.headers if name in _OURS}
    try:
        return Original(
            topic=found[_TOPIC].decode(),
            offset=record.offset,
            timestamp=int(found[_TIMESTAMP]),
            key=record.key,
            value=record.value,
            headers=[header for header in record.headers if header[0] not in _OURS],
            group=found[_GROUP].decode(),
            attempts=int(found[_ATTEMPTS]),
            due=int(found[_DUE]),
        )
    except (KeyError, ValueError):
        return None
