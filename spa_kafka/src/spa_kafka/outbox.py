"""
What waits to be sent: entries, each with its deadline and whom to tell, in one lane for each partition.

Filling a batch from a lane is decided here; sending it is not.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

from spa_core.errors import MessageTooLargeError, PublishError, PublishRefusedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from spa_kafka.client import Batch, DeniedError, ProducerLink, Sendable

__all__ = ["Entry", "Lane", "outcome_unknown", "refused", "too_large"]


class Entry:
    """
    One record that waits to be accepted.

    Attributes:
        record: The record.
        deadline: When nobody waits for it any more, by the event loop's clock.
        done: Tells whoever publishes it; cancelled by those who do not want it sent any more.
    """

    __slots__ = ("deadline", "done", "record")

    def __init__(self, record: Sendable, deadline: float, done: asyncio.Future[None]) -> None:
        self.record = record
        self.deadline = deadline
        self.done = done

    def fail(self, error: Exception) -> None:
        """Tell the publisher, unless it was told before or has gone."""
        if not self.done.done():
            self.done.set_exception(error)


class Lane:
    """
    What waits for one partition.

    Attributes:
        topic: The topic's name at the broker.
        partition: The partition's number.
        queue: What waits, in order.
        pump: The task that sends it.
        most: The most records of a batch, where the broker has taken no more.
    """

    __slots__ = ("most", "partition", "pump", "queue", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.queue: deque[Entry] = deque()
        self.pump: asyncio.Task[None]
        self.most = sys.maxsize

    def gather(self, link: ProducerLink, now: float) -> tuple[Batch, list[Entry]]:
        """Take as much out of the queue as fits into a batch, without what was withdrawn or has waited too long."""
        taken: list[Entry] = []

        def records() -> Iterator[Sendable]:
            for entry in self.queue:
                if entry.deadline < now:
                    entry.fail(PublishError(f"the message on {self.topic} was not sent in time", topic=self.topic))
                if len(taken) == self.most:
                    return
                if not entry.done.done():
                    taken.append(entry)
                    yield entry.record

        batch = link.fill(records())
        del taken[batch.record_count() :]
        if taken:
            while self.queue.popleft() is not taken[-1]:
                pass
        else:
            self.queue.clear()
        return batch, taken


def too_large(topic: str, record: Sendable, limit: int, cause: Exception) -> MessageTooLargeError:
    """Return what a publisher is told whose message alone is more than the broker takes."""
    size = len(record.value or b"")
    text = f"the broker takes no message of {size} bytes on {topic}"
    told = MessageTooLargeError(text, topic=topic, size=size, limit=limit)
    told.__cause__ = cause.__cause__
    return told


def refused(topic: str, error: DeniedError) -> PublishRefusedError:
    """Return what a publisher is told whose message the broker refuses."""
    told = PublishRefusedError(f"the message on {topic} was refused: {error}", topic=topic, reason=str(error))
    told.__cause__ = error.__cause__
    return told


def outcome_unknown(topic: str, why: str) -> PublishError:
    """Return what a publisher is told when its message can have been written, and nobody knows."""
    hint = "It may have been written all the same"
    return PublishError(f"it is not known whether the message on {topic} was accepted: {why}", topic=topic, hint=hint)
