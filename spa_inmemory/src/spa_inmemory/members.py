"""
What one subscription has in hand: deliveries that are not settled yet, and what it waits for.

A member knows its queue; which messages it gets is the queue's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from spa_core.message import SpaMessage
from spa_core.transport import Outcome, current_delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_inmemory.queues import MessageQueue
    from spa_inmemory.room import WaitingPublish

__all__ = ["Member", "MemoryDelivery", "handling_member"]


class Member:
    """
    One subscription as its queue sees it.

    Attributes:
        queue: The queue it takes from; members of a group share one.
        prefetch: The most deliveries in flight.
        in_flight: The deliveries handed out and not settled.
        fetching: Whether it can still be handed messages.
        waits: Publishes of its handlers that wait for room.
        wake: Wakes the subscription's reader; ``None`` while nobody reads.
    """

    __slots__ = ("fetching", "in_flight", "prefetch", "queue", "waits", "wake")

    def __init__(self, queue: MessageQueue, prefetch: int) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.in_flight: set[MemoryDelivery] = set()
        self.fetching = True
        self.waits: set[WaitingPublish] = set()
        self.wake: Callable[[], None] | None = None

    def rouse(self) -> None:
        """Wake the reader, if there is one."""
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()


class MemoryDelivery(msgspec.Struct, eq=False):
    """
    One message handed to one member; it is unsettled exactly as long as it is in the member's ``in_flight``.

    Attributes:
        message: The message.
        attempt: 1 on the first delivery, rising with each redelivery.
        redelivered: Whether it was delivered before.
        native: The member it was handed to.
        place: Its place in the queue.
    """

    message: SpaMessage
    attempt: int
    redelivered: bool
    native: Member
    place: int

    async def settle(self, outcome: Outcome) -> bool:
        """Say how the delivery ended; ``False`` if it was settled before or the subscription was left."""
        member = self.native
        try:
            member.in_flight.remove(self)
        except KeyError:
            return False
        member.queue.settle(self, outcome)
        return True


def handling_member() -> Member | None:
    """Return the member whose handler runs in this context; ``None`` outside of handlers of in-memory deliveries."""
    delivery = current_delivery.get()
    member = None if delivery is None else delivery.native
    if not isinstance(member, Member):
        return None
    if isinstance(delivery, MemoryDelivery) and delivery not in member.in_flight:
        # The handler has ended; what it started goes on in a copy of its context and holds up nothing.
        return None
    return member
