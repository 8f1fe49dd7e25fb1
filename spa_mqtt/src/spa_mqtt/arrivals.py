"""
Messages that a subscription has received and not handed out, and how many are in hand: order, delays, bounds; pure.

What was given back comes before what is new, in the order of receipt; what was given back with a delay when it is due.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final

from spa_mqtt.inflight import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spa_mqtt.packets import Incoming
    from spa_mqtt.source import Source

__all__ = ["Arrivals", "Item"]

_LEAST_BOUND: Final = 100


class Item(Receipt):
    """
    One message that was received.

    Attributes:
        incoming: As it came.
        source: Whence it came.
        number: Its place in the order of receipt.
        attempt: Which delivery of it is next or in hand.
        expires: When nobody wants it any more, by the event loop's clock; ``None`` is never.
        due: When its delay is over, by that clock; ``None`` if it has none.
    """

    __slots__ = ("attempt", "due", "expires", "incoming", "number", "source")

    def __init__(self, incoming: Incoming, source: Source, number: int, attempt: int, expires: float | None) -> None:
        super().__init__(incoming.mid, incoming.qos)
        self.incoming = incoming
        self.source = source
        self.number = number
        self.attempt = attempt
        self.expires = expires
        self.due: float | None = None


class Arrivals:
    """
    The messages of one subscription.

    Args:
        prefetch: The most in hand.

    Attributes:
        bound: New messages from which on no more should be read: brokers that keep to the window never come so far.
    """

    def __init__(self, prefetch: int) -> None:
        self.bound = max(2 * prefetch, _LEAST_BOUND)
        self._prefetch = prefetch
        self._in_hand: set[Item] = set()
        self._new: deque[Item] = deque()
        self._again: list[tuple[int, Item]] = []
        self._later: list[tuple[float, int, Item]] = []

    def __len__(self) -> int:
        """Return how many new messages wait."""
        return len(self._new)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        return not (self._new or self._again or self._later or self._in_hand)

    @property
    def next_due(self) -> float | None:
        """When the next delayed message is due."""
        return self._later[0][0] if self._later else None

    def put(self, item: Item) -> None:
        """Put a new message behind the others."""
        self._new.append(item)

    def put_again(self, item: Item, due: float | None) -> None:
        """Take a message out of hand and put it back, at once or for when it is due."""
        self.out_of_hand(item)
        item.due = due
        if due is None:
            heapq.heappush(self._again, (item.number, item))
        else:
            heapq.heappush(self._later, (due, item.number, item))

    def out_of_hand(self, item: Item) -> None:
        """Note that a message is no longer in hand."""
        self._in_hand.discard(item)

    def drop_oldest_of_level_0(self) -> bool:
        """Drop the oldest new message that the broker expects no answer for; ``False`` if there is none."""
        for place, item in enumerate(self._new):
            if not item.qos:
                del self._new[place]
                return True
        return False

    def take(self, most: int, now: float) -> tuple[list[Item], list[Item]]:
        """Return up to *most* messages, which are in hand from now on, and those that have expired instead."""
        while self._later and self._later[0][0] <= now:
            _, number, item = heapq.heappop(self._later)
            item.due = None
            heapq.heappush(self._again, (number, item))
        taken: list[Item] = []
        expired: list[Item] = []
        room = min(most, self._prefetch - len(self._in_hand))
        while len(taken) < room and (self._again or self._new):
            item = heapq.heappop(self._again)[1] if self._again else self._new.popleft()
            if item.expires is not None and item.expires <= now:
                expired.append(item)
            else:
                taken.append(item)
        self._in_hand.update(taken)
        return taken, expired

    def remove(self, source: Source) -> tuple[list[Item], list[Item]]:
        """Take out everything of a source, and return what waits and what is in hand, in the order of receipt."""
        waiting = sorted((item for item in self._waiting() if item.source is source), key=_number)
        if waiting:
            self._new = deque(item for item in self._new if item.source is not source)
            self._again = [entry for entry in self._again if entry[-1].source is not source]
            self._later = [entry for entry in self._later if entry[-1].source is not source]
            heapq.heapify(self._again)
            heapq.heapify(self._later)
        in_hand = sorted((item for item in self._in_hand if item.source is source), key=_number)
        self._in_hand.difference_update(in_hand)
        return waiting, in_hand

    def _waiting(self) -> Iterator[Item]:
        yield from self._new
        for entry in self._again:
            yield entry[-1]
        for later in self._later:
            yield later[-1]


def _number(item: Item) -> int:
    return item.number
