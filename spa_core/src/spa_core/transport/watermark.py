"""
Which offset may be committed when messages finish out of order; pure bookkeeping that knows no broker, clock or task.

Only the contiguous finished prefix of what was *received* counts: committing the highest finished offset loses the
unfinished ones before it, and waiting for offsets that never arrive stops commits for good.
"""

from __future__ import annotations

from collections import deque

__all__ = ["OffsetWatermark"]


class OffsetWatermark:
    """
    The finished prefix of one partition during one assignment generation.

    A commit that fails is not lost: :meth:`committable` gives the offset again, or a later one, until
    :meth:`committed` reports success. An offset that is never finished is never passed.

    Make a new one, with a new generation, whenever the partition is assigned or its position is moved: results of
    deliveries handed out before then carry the old generation and change nothing. Memory is proportional to the offsets
    from the oldest unfinished one on. For use by one thread.

    Attributes:
        generation: The number of the assignment; deliveries carry it to :meth:`done`.

    Example:
        >>> watermark = OffsetWatermark(generation=7)
        >>> for offset in (40, 41, 44):  # 42 and 43 were compacted away
        ...     watermark.received(offset)
        >>> watermark.done(44, 7), watermark.done(40, 7)
        (True, True)
        >>> watermark.committable()
        41
        >>> watermark.committed(41)
        >>> watermark.committable() is None
        True
        >>> watermark.done(41, 7), watermark.committable()
        (True, 45)
    """

    __slots__ = ("_committed", "_last", "_next", "_received", "_unfinished", "generation")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        # From the oldest unfinished offset on, finished ones between them included.
        self._received: deque[int] = deque()
        self._unfinished: set[int] = set()
        self._last = -1
        self._next = -1
        self._committed = -1

    @property
    def pending(self) -> int:
        """How many received offsets are not finished."""
        return len(self._unfinished)

    @property
    def oldest_pending(self) -> int | None:
        """The lowest received offset that is not finished, which holds back all after it; ``None`` if all are."""
        return self._received[0] if self._received else None

    def received(self, offset: int) -> None:
        """
        Note that the message at *offset* was received; offsets may have gaps between them.

        Raises:
            ValueError: The offset is not above all before it; nothing is noted.
        """
        if offset <= self._last:
            raise ValueError(
                f"offset {offset} is not above {self._last}; a partition assigned or moved again needs a new watermark"
            )
        self._last = offset
        self._received.append(offset)
        self._unfinished.add(offset)

    def done(self, offset: int, generation: int) -> bool:
        """
        Note that the message at *offset*, delivered in *generation*, is finished.

        Returns:
            Whether this changed anything: ``False`` for another generation, whose messages are delivered again to
            whoever has the partition now, and for an offset finished before or never received.
        """
        if generation != self.generation or offset not in self._unfinished:
            return False
        unfinished, received = self._unfinished, self._received
        unfinished.remove(offset)
        while received and received[0] not in unfinished:
            self._next = received.popleft() + 1
        return True

    def committable(self) -> int | None:
        """
        Return the next offset to commit, one past the finished prefix, or ``None`` if nothing new was finished.

        Asking changes nothing.
        """
        return self._next if self._next > self._committed else None

    def committed(self, next_offset: int) -> None:
        """
        Note that the broker has accepted a commit of *next_offset*; a lower one than before changes nothing.

        It may be higher than :meth:`committable` said: where nothing is pending, a transport can commit its position,
        and so step over the broker's own records at the end of a partition.
        """
        self._committed = max(self._committed, next_offset)
