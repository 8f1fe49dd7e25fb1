"""
The reading side of the in-memory transport: takes from a queue, and sleeps on the event loop while there is nothing.

When there is something for whom is decided by the queue, which knows no event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from spa_core.errors import EndOfSubscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_inmemory.broker import Broker
    from spa_inmemory.members import Member, MemoryDelivery

__all__ = ["MemorySubscription"]


class MemorySubscription:
    """
    A live subscription; see :class:`~spa_core.transport.Subscription` for the contract.

    Args:
        broker: The broker subscribed at.
        member: What the broker made of the subscription.
    """

    def __init__(self, broker: Broker, member: Member) -> None:
        self._broker = broker
        self._member = member
        self._queue = member.queue
        self._roused: anyio.Event | None = None

    @property
    def expired(self) -> int:
        """How many messages of its queue were dropped because their ``ttl`` had ended when it was their turn."""
        return self._queue.expired

    async def receive_batch(self, max_messages: int) -> Sequence[MemoryDelivery]:
        """
        Wait until at least one message is there and return up to *max_messages*, in order.

        Members of a group get no more than a fair share of what waits. While ``prefetch`` deliveries are unsettled, the
        call waits for one to be settled.

        Raises:
            EndOfSubscription: Fetching was stopped, or the subscription or its socket was closed.
        """
        # Before taking, because what was taken would be lost by a cancellation.
        await checkpoint()
        while self._member.fetching:
            batch = self._queue.take(self._member, max_messages)
            if batch:
                return batch
            await self._sleep()
        raise EndOfSubscription

    async def stop_fetching(self) -> None:
        """
        Hand out nothing more and wake a waiting :meth:`receive_batch`; settling goes on.

        Other members of a group get what waits. Without a group nobody would: what waits is dropped, and the
        subscription gets no more messages.
        """
        self._broker.stop(self._member)

    def close(self) -> None:
        """Leave the subscription; nothing can be settled any more. Closing again does nothing."""
        if self._member in self._queue.members:
            self._broker.leave(self._member)

    async def _sleep(self) -> None:
        roused = self._roused
        if roused is None:
            roused = self._roused = anyio.Event()
        due = self._queue.sleep(self._member, roused.set)
        try:
            if due is None:
                await roused.wait()
            else:
                with anyio.CancelScope(deadline=due):
                    await roused.wait()
        except BaseException:
            # It may have been woken for a message that it takes no more.
            self._wake(roused)
            self._queue.pass_on()
            raise
        self._wake(roused)

    def _wake(self, roused: anyio.Event) -> None:
        if roused is self._roused:
            self._roused = None
            self._queue.wake(self._member)  # another call may wait on the same event
