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
    from spa_mqtt.packets import Incoming

__all__ = ["Arrivals", "Item"]

_LEAST_BOUND: Final = 100


class Item(Receipt):
    """
    One message that was received.

    Attributes:
        incoming: As it came.
        number: Its place in the order of receipt.
        attempt: Which delivery of it is next or in hand.
        expires: When nobody wants it any more, by the event loop's clock; ``None`` is never.
    """

    __slots__ = ("attempt", "expires", "incoming", "number")

    def __init__(self, incoming: Incoming, number: int, attempt: int, expires: float | None) -> None:
        super().__init__(incoming.mid, incoming.qos)
        self.incoming = incoming
        self.number = number
        self.attempt = attempt
        self.expires = expires


class Arrivals:
    """
    The messages of one subscription.

    Args:
        prefetch: The most in hand.

    Attributes:
        in_hand: Messages handed out and not settled.
        bound: New messages from which on no more should be read: brokers that keep to the window never come so far.
    """

    def __init__(self, prefetch: int) -> None:
        self.in_hand = 0
        self.bound = max(2 * prefetch, _LEAST_BOUND)
        self._prefetch = prefetch
        self._new: deque[Item] = deque()
        self._again: list[tuple[int, Item]] = []
        self._later: list[tuple[float, int, Item]] = []

    def __len__(self) -> int:
        """Return how many new messages wait."""
        return len(self._new)

    @property
    def next_due(self) -> float | None:
        """When the next delayed message is due."""
        return self._later[0][0] if self._later else None

    def put(self, item: Item) -> None:
        """Put a new message behind the others."""
        self._new.append(item)

    def put_again(self, item: Item, due: float | None) -> None:
        """Put back a message that was in hand, at once or for when it is due."""
        if due is None:
            heapq.heappush(self._again, (item.number, item))
        else:
            heapq.heappush(self._later, (due, item.number, item))

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
            heapq.heappush(self._again, (number, item))
        taken: list[Item] = []
        expired: list[Item] = []
        room = min(most, self._prefetch - self.in_hand)
        while len(taken) < room and (self._again or self._new):
            item = heapq.heappop(self._again)[1] if self._again else self._new.popleft()
            (taken if item.expires is None or item.expires > now else expired).append(item)
        self.in_hand += len(taken)
        return taken, expired

    def clear(self) -> list[Item]:
        """Take out everything that is not in hand, in the order of receipt, and count nothing as in hand."""
        held = [*self._new, *(item for _, item in self._again), *(item for _, _, item in self._later)]
        self._new.clear()
        self._again.clear()
        self._later.clear()
        self.in_hand = 0
        return sorted(held, key=lambda item: item.number)
