"""What waits in a queue and in which order; knows messages, their places and times, but no members."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spa_core.message import SpaMessage

__all__ = ["Backlog", "Entry"]


class Entry(NamedTuple):
    """
    A message with its place in a queue; entries sort by their place.

    Attributes:
        place: Counts the messages of the queue, so it is unique there.
        attempt: What the next delivery's attempt will be.
        message: The message.
    """

    place: int
    attempt: int
    message: SpaMessage


class Backlog:
    """
    The messages of a queue that nobody has in hand.

    Args:
        clock: Returns the time in seconds.

    Attributes:
        fresh: Messages that were never taken; their places follow each other without a gap.
        first: The place of the first of them.
        returned: A heap of entries that came back; they go before the fresh ones.
        held: How many entries came back and were not taken again, those included that are delayed or kept elsewhere.
        deadlines: When messages expire, by place, for those that do; kept until they are done with.
        expired: How many messages were dropped because their time to live had ended when it was their turn.
    """

    __slots__ = ("_clock", "_delayed", "deadlines", "expired", "first", "fresh", "held", "returned")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.fresh: deque[SpaMessage] = deque()
        self.first = 0
        self.returned: list[Entry] = []
        self.held = 0
        self.expired = 0
        self._clock = clock
        self.deadlines: dict[int, float] = {}
        self._delayed: list[tuple[float, Entry]] = []

    def __len__(self) -> int:
        return len(self.fresh) + self.held

    @property
    def ready(self) -> int:
        """How many messages can be taken now."""
        return len(self.fresh) + len(self.returned)

    @property
    def next_due(self) -> float | None:
        """When the next delayed entry is due; ``None`` if nothing is delayed."""
        return self._delayed[0][0] if self._delayed else None

    @property
    def is_plain(self) -> bool:
        """Whether all that is ready are fresh messages without a deadline."""
        return not self.returned and not self.deadlines

    def put(self, message: SpaMessage, deadline: float | None) -> None:
        """Add a message behind all others; it expires at *deadline*."""
        if deadline is not None:
            self.deadlines[self.first + len(self.fresh)] = deadline
        self.fresh.append(message)

    def put_back(self, entry: Entry) -> None:
        """Put a held entry in front of everything that came later."""
        heappush(self.returned, entry)

    def delay(self, entry: Entry, seconds: float) -> bool:
        """Keep a held entry back for *seconds*; say whether it is now the one to be due first."""
        heappush(self._delayed, (self._clock() + seconds, entry))
        return self._delayed[0][1] is entry

    def pop_due(self) -> Iterator[Entry]:
        """Yield the delayed entries that are due; they stay held."""
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            yield heappop(self._delayed)[1]

    def take(self) -> Entry | None:
        """Take the next message that is ready, ``None`` if none is; it may have expired."""
        if self.returned:
            self.held -= 1
            return heappop(self.returned)
        if not self.fresh:
            return None
        self.first += 1
        return Entry(self.first - 1, 1, self.fresh.popleft())

    def drop_expired(self, entry: Entry) -> bool:
        """Drop and count a taken entry if its time to live has ended; say whether it has."""
        deadline = self.deadlines.get(entry.place)
        if deadline is None or self._clock() < deadline:
            return False
        del self.deadlines[entry.place]
        self.expired += 1
        return True

    def clear(self) -> None:
        """Drop everything."""
        self.fresh.clear()
        self.returned.clear()
        self._delayed.clear()
        self.deadlines.clear()
        self.held = 0
