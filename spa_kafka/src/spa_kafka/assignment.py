"""
The partitions that one consumer has at a time, and what it may commit of them. Pure: no broker, no task.

An assignment is over when its partitions are revoked or lost; what was handed out of it cannot be settled any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from spa_kafka.attempts import write_attempts
from spa_kafka.partitions import Partition, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Assignment", "Place"]

RecordT = TypeVar("RecordT", bound=Stored)

Place: TypeAlias = tuple[str, int]
"""A topic's name at the broker and the number of a partition."""


class Assignment(Generic[RecordT]):
    """
    Partitions from their assignment to their revocation.

    Attributes:
        partitions: The partitions by their place.
        open: Whether records are handed out of it.
    """

    def __init__(self) -> None:
        self.partitions: dict[Place, Partition[RecordT]] = {}
        self.open = True
        self._turn = 0

    @property
    def unsettled(self) -> int:
        """Records whose end somebody is working on."""
        return sum(partition.unsettled for partition in self.partitions.values())

    @property
    def due(self) -> float | None:
        """When the next record that waits for its time may be handed out; ``None`` if none waits."""
        return min((due for each in self.partitions.values() if (due := each.due) is not None), default=None)

    def take(self, most: int, now: float) -> Iterator[tuple[Partition[RecordT], RecordT, int]]:
        """Hand out up to *most* records, partitions in turn beginning: their partition, the record, its attempt."""
        if not self.open or not self.partitions:
            return
        partitions = list(self.partitions.values())
        self._turn = (self._turn + 1) % len(partitions)
        for partition in (*partitions[self._turn :], *partitions[: self._turn]):
            if most <= 0:
                return
            for record, attempt in partition.take(most, now):
                most -= 1
                yield partition, record, attempt

    def committable(self) -> dict[Place, tuple[int, str]]:
        """Return what is new to commit: offsets and the text beside them."""
        return {
            place: (offset, write_attempts(partition.attempts(), offset))
            for place, partition in self.partitions.items()
            if (offset := partition.committable()) is not None
        }

    def last_words(self) -> dict[Place, tuple[int, str]]:
        """Return what the next owners of the partitions need to know: what to commit, and attempts in vain."""
        words = self.committable()
        for place, partition in self.partitions.items():
            if place not in words and (attempts := partition.attempts()):
                words[place] = partition.resume, write_attempts(attempts, partition.resume)
        return words

    def committed(self, offsets: Iterable[tuple[Place, int]]) -> None:
        """Note what the broker has accepted."""
        for place, offset in offsets:
            if place in self.partitions:
                self.partitions[place].committed(offset)

    def begin_anew(self, place: Place, start: int) -> int:
        """Forget all of a partition, because its log is another one; return how many records were in hand."""
        old = self.partitions[place]
        self.partitions[place] = old.anew(start)
        return old.close()

    def stop(self) -> None:
        """Hand out nothing more, and forget what is not in hand."""
        self.open = False
        for partition in self.partitions.values():
            partition.forget()

    def close(self) -> int:
        """End it; return how many records were in hand, which nobody can settle any more."""
        self.open = False
        return sum(partition.close() for partition in self.partitions.values())
