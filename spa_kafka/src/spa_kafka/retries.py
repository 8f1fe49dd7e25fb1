"""
A record that waits in another topic for its next attempt; pure.

It is the record as it came, key, value and headers untouched, with what is needed to go on in headers of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from spa_kafka.wire import RETRY_ATTEMPTS, RETRY_DUE, RETRY_ORIGIN, RETRY_TOPIC, TIMESTAMP, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Waiting", "read_waiting", "waiting_record"]

_NOTES: Final = frozenset({RETRY_ATTEMPTS, RETRY_DUE, RETRY_ORIGIN, RETRY_TOPIC})


class Stored(Protocol):
    """A record as it was fetched."""

    @property
    def topic(self) -> str:
        """Kafka's name of its topic."""
        ...

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Its headers."""
        ...


class Waiting(NamedTuple):
    """
    What a waiting record brings along.

    Attributes:
        topic: Kafka's name of the topic it belongs to.
        attempts: Deliveries made of it so far.
        due: When it may be delivered again, in milliseconds since the Unix epoch.
    """

    topic: str
    attempts: int
    due: int


def waiting_record(record: Stored, to: str, *, attempts: int, due: int, now: int) -> Record:
    """
    Return what to write so that *record* waits.

    Args:
        record: The record, from its own topic or from one where it waited before.
        to: Kafka's name of the topic to wait in.
        attempts: Deliveries made of it so far.
        due: When it may be delivered again, in milliseconds since the Unix epoch.
        now: The time, likewise: what the new record is stamped with, so that it is not deleted for its age.
    """
    before = read_waiting(record.headers)
    kept = [(name, value) for name, value in record.headers if name not in _NOTES or name == RETRY_ORIGIN]
    if before is None:
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        kept = [each for each in kept if each[0] != RETRY_ORIGIN] + [(RETRY_ORIGIN, origin.encode())]
    if record.timestamp >= 0 and all(name != TIMESTAMP for name, _ in kept):
        kept.append((TIMESTAMP, b"%d" % record.timestamp))
    topic = record.topic if before is None else before.topic
    notes = [(RETRY_TOPIC, topic.encode()), (RETRY_ATTEMPTS, b"%d" % attempts), (RETRY_DUE, b"%d" % due)]
    return Record(to, record.key, record.value, kept + notes, now)


def read_waiting(headers: Iterable[tuple[str, bytes | None]]) -> Waiting | None:
    """Return what a waiting record brings along; ``None`` if it is none that we have written."""
    notes = {name: value for name, value in headers if name in _NOTES and value}
    try:
        return Waiting(notes[RETRY_TOPIC].decode("ascii"), int(notes[RETRY_ATTEMPTS]), int(notes[RETRY_DUE]))
    except (KeyError, ValueError):
        return None
