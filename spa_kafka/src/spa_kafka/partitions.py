"""
One partition during one assignment: what was fetched, what is in hand, what comes again and what may be committed.

Pure bookkeeping: it knows no broker, no task and no clock but the times it is told.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from spa_core.transport import OffsetWatermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Partition", "Past", "Stored"]


class Stored(Protocol):
    """A record as a broker stores it; only its place and its size matter here."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its body."""
        ...


RecordT = TypeVar("RecordT", bound=Stored)

_OVERHEAD = 512
"""Bytes that a held record costs beyond key and value, roughly."""


class Past(msgspec.Struct, frozen=True):
    """
    What a record brings along from before this assignment.

    Attributes:
        attempts: Deliveries made of it so far.
        due: When it may be handed out, in the seconds that :meth:`Partition.take` is told; ``None`` is at once.
    """

    attempts: int = 0
    due: float | None = None


class Partition(Generic[RecordT]):
    """
    One partition from its assignment to its revocation.

    A record is handed out in the order of offsets; one that is given back comes again before all behind it. A record
    that is finished stays finished, whatever was handed out twice; a result from before :meth:`close` changes nothing.

    Args:
        generation: The number of the assignment.
        start: The offset that fetching begins at.
        attempts: Deliveries that earlier assignments made of records from *start* on, by offset.
        past: Reads what a record brings along; ``None`` if records bring nothing.

    Attributes:
        start: The offset that fetching began at.
        position: The offset that fetching goes on at.
        size: Bytes held and not in hand, roughly.
        moving: Records that are being written elsewhere: neither in hand nor finished.
        closed: Whether the assignment is over.
    """

    __slots__ = (
        "_again",
        "_attempts",
        "_committed",
        "_fresh",
        "_hand",
        "_held",
        "_past",
        "_watermark",
        "closed",
        "moving",
        "position",
        "size",
        "start",
    )

    def __init__(
        self,
        generation: int,
        start: int,
        *,
        attempts: Mapping[int, int] | None = None,
        past: Callable[[RecordT], Past] | None = None,
    ) -> None:
        self.start = start
        self.position = start
        self.size = 0
        self.closed = False
        self.moving: dict[int, int] = {}
        self._past = past
        self._attempts = dict(attempts or {})
        self._committed = start
        self._watermark = OffsetWatermark(generation)
        self._fresh: deque[RecordT] = deque()
        # By offset, so that what is given back keeps its order.
        self._again: list[tuple[int, int, RecordT]] = []
        self._held: list[tuple[float, int, int, RecordT]] = []
        self._hand: dict[int, tuple[RecordT, int]] = {}

    @property
    def in_hand(self) -> int:
        """Records handed out and not settled."""
        return len(self._hand)

    @property
    def unsettled(self) -> int:
        """Records whose end somebody is working on: handed out, or being written elsewhere."""
        return len(self._hand) + len(self.moving)

    @property
    def waiting(self) -> int:
        """Records held and not in hand."""
        return len(self._fresh) + len(self._again) + len(self._held)

    @property
    def oldest(self) -> int | None:
        """The offset that holds back every commit behind it; ``None`` if nothing does."""
        return self._watermark.oldest_pending

    @property
    def resume(self) -> int:
        """The offset that the next owner of the partition has to begin at: nothing before it is unfinished."""
        oldest = self._watermark.oldest_pending
        if oldest is not None:
            return oldest
        return self._watermark.committable() or self._committed

    @property
    def due(self) -> float | None:
        """When the next record that waits for its time may be handed out; ``None`` if none waits."""
        return self._held[0][0] if self._held else None

    def fetched(self, records: Iterable[RecordT]) -> None:
        """Hold records that came in; those before the position, which came before, are left out."""
        fresh, position, size = self._fresh, self.position, self.size
        for record in records:
            if (offset := record.offset) >= position:
                fresh.append(record)
                position = offset + 1
                size += _size(record)
        self.position, self.size = position, size

    def anew(self, start: int) -> Partition[RecordT]:
        """Return this partition as it is when its log has been replaced by another one, of which nothing came yet."""
        return Partition(self._watermark.generation, start, past=self._past)

    def take(self, most: int, now: float) -> list[tuple[RecordT, int]]:
        """Hand out up to *most* records, each with the number of its attempt."""
        if self._held:
            self._release(now)
        if not self._again and not self._attempts and self._past is None:
            return self._take_first_attempts(most)
        taken: list[tuple[RecordT, int]] = []
        while len(taken) < most:
            found = self._next(now)
            if found is None:
                break
            record = found[0]
            self.size -= _size(record)
            self._hand[record.offset] = found
            taken.append(found)
        return taken

    def finish(self, offset: int, attempt: int) -> bool:
        """Settle a record for good; ``False`` if this attempt of it is not in hand."""
        held = self._hand.get(offset)
        if held is None or held[1] != attempt:
            return False
        del self._hand[offset]
        watermark = self._watermark
        return watermark.done(offset, watermark.generation)

    def give_back(self, offset: int, attempt: int, due: float | None = None) -> bool:
        """Have a record handed out again, not before *due*; ``False`` if this attempt of it is not in hand."""
        if not self._in_hand(offset, attempt):
            return False
        record, _ = self._hand.pop(offset)
        self._hold(record, attempt + 1, due)
        return True

    def move(self, offset: int, attempt: int) -> RecordT | None:
        """Take a record out of hand to write it elsewhere; ``None`` if this attempt of it is not in hand."""
        if not self._in_hand(offset, attempt):
            return None
        self.moving[offset] = attempt
        return self._hand.pop(offset)[0]

    def moved(self, offset: int) -> None:
        """Settle a record that is safe elsewhere."""
        if self.moving.pop(offset, None) is not None:
            self._watermark.done(offset, self._watermark.generation)

    def stayed(self, record: RecordT, due: float) -> None:
        """Hold a record that could not be written elsewhere; it is handed out again from *due* on."""
        attempt = self.moving.pop(record.offset, None)
        if attempt is not None:
            self._hold(record, attempt + 1, due)

    def committable(self) -> int | None:
        """Return the next offset to commit, or ``None`` if nothing new was finished."""
        return self._watermark.committable()

    def committed(self, offset: int) -> None:
        """Note that the broker has accepted a commit of *offset*."""
        self._committed = max(self._committed, offset)
        self._watermark.committed(offset)

    def attempts(self) -> dict[int, int]:
        """Return how many deliveries were made of each record that was handed out and is not finished, by offset."""
        made = {offset: attempt - 1 for offset, attempt, _ in self._again}
        made |= {offset: attempt - 1 for _, offset, attempt, _ in self._held}
        made |= {offset: attempt for offset, (_, attempt) in self._hand.items()}
        made |= self.moving
        made |= self._attempts
        return {offset: attempts for offset, attempts in sorted(made.items()) if attempts}

    def forget(self) -> None:
        """Drop what is not in hand: it is fetched again by whoever has the partition next."""
        self._attempts |= {offset: attempt - 1 for offset, attempt, _ in self._again}
        self._attempts |= {offset: attempt - 1 for _, offset, attempt, _ in self._held}
        self._fresh.clear()
        self._again.clear()
        self._held.clear()
        self.size = 0

    def close(self) -> int:
        """End the assignment; return how many records were in hand, which nobody can settle any more."""
        given_up = 0 if self.closed else len(self._hand)
        self.closed = True
        self.forget()
        self._hand.clear()
        self.moving.clear()
        return given_up

    def _in_hand(self, offset: int, attempt: int) -> bool:
        held = self._hand.get(offset)
        return held is not None and held[1] == attempt

    def _take_first_attempts(self, most: int) -> list[tuple[RecordT, int]]:
        """Do what :meth:`take` does where nothing comes again and nothing was tried before: nearly always."""
        fresh, hand, received = self._fresh, self._hand, self._watermark.received
        taken: list[tuple[RecordT, int]] = []
        size = 0
        for _ in range(min(most, len(fresh))):
            record = fresh.popleft()
            offset = record.offset
            received(offset)
            size += len(record.value or b"") + len(record.key or b"")
            hand[offset] = found = record, 1
            taken.append(found)
        self.size -= size + _OVERHEAD * len(taken)
        return taken

    def _next(self, now: float) -> tuple[RecordT, int] | None:
        if self._again:
            _, attempt, record = heapq.heappop(self._again)
            return record, attempt
        while self._fresh:
            record = self._fresh.popleft()
            self._watermark.received(record.offset)
            attempt = self._attempts.pop(record.offset, 0) + 1
            if self._past is None:
                return record, attempt
            past = self._past(record)
            if past.due is None or past.due <= now:
                return record, attempt + past.attempts
            heapq.heappush(self._held, (past.due, record.offset, attempt + past.attempts, record))
        return None

    def _hold(self, record: RecordT, attempt: int, due: float | None) -> None:
        self.size += _size(record)
        if due is None:
            heapq.heappush(self._again, (record.offset, attempt, record))
        else:
            heapq.heappush(self._held, (due, record.offset, attempt, record))

    def _release(self, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            _, offset, attempt, record = heapq.heappop(self._held)
            heapq.heappush(self._again, (offset, attempt, record))


def _size(record: Stored) -> int:
    return _OVERHEAD + len(record.value or b"") + len(record.key or b"")
