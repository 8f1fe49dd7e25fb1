"""
A subscription that can lose its connection: what is not settled then can be settled no more, and is delivered again.

The broker notices nothing: to it the messages stay handed out, so that they are bounded, and their keys stay in order.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import anyio

from spa_core.errors import EndOfSubscription
from spa_core.transport import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from spa_core.message import SpaMessage
    from spa_core.transport import Delivery, Outcome, Subscription

__all__ = ["FaultySubscription"]


class FaultySubscription:
    """
    A subscription over another one.

    Args:
        subscription: The other one.
        until_online: Waits until there is a connection.
    """

    def __init__(self, subscription: Subscription, until_online: Callable[[], Awaitable[None]]) -> None:
        self._subscription = subscription
        self._until_online = until_online
        self._waiting: deque[_FaultyDelivery] = deque()
        self._handed_out: dict[_FaultyDelivery, None] = {}
        self._losses: Counter[str | None] = Counter()
        self._fetches: set[anyio.CancelScope] = set()
        self._stopped = False

    async def receive_batch(self, max_messages: int) -> Sequence[_FaultyDelivery]:
        """
        Wait until at least one message is there, and the connection too; return up to *max_messages*.

        Raises:
            EndOfSubscription: Fetching was stopped.
        """
        await anyio.lowlevel.checkpoint()
        while not self._stopped:
            if await self._fetch(max_messages):
                batch = [self._waiting.popleft() for _ in range(min(max_messages, len(self._waiting)))]
                self._handed_out.update(dict.fromkeys(batch))
                return batch
        raise EndOfSubscription

    async def stop_fetching(self) -> None:
        """Hand out nothing more; settling goes on."""
        self._stopped = True
        self._interrupt()
        await self._subscription.stop_fetching()

    def lose_connection(self) -> None:
        """Take back what is handed out and not settled; it comes before everything else."""
        lost = list(self._handed_out)
        self._handed_out.clear()
        self._losses.update(delivery.message.message_id for delivery in lost)
        self._waiting.extendleft(self._again(delivery) for delivery in reversed(lost))
        self._interrupt()

    async def settle(self, delivery: _FaultyDelivery, outcome: Outcome) -> bool:
        """Settle a delivery; ``False`` if that was done before, or if it was taken back."""
        if delivery not in self._handed_out:
            return False
        del self._handed_out[delivery]
        if not isinstance(outcome, Retry):
            del self._losses[delivery.message.message_id]
        return await delivery.delivery.settle(outcome)

    async def _fetch(self, max_messages: int) -> bool:
        """Say whether messages wait to be handed out; ``False`` if something else has happened."""
        with anyio.CancelScope() as scope:
            self._fetches.add(scope)
            try:
                await self._until_online()
                if not self._waiting:
                    received = await self._subscription.receive_batch(max_messages)
                    self._waiting.extend(self._again(delivery) for delivery in received)
            finally:
                self._fetches.discard(scope)
        return bool(self._waiting) and not scope.cancel_called

    def _interrupt(self) -> None:
        for scope in tuple(self._fetches):
            scope.cancel()

    def _again(self, delivery: Delivery) -> _FaultyDelivery:
        if isinstance(delivery, _FaultyDelivery):
            delivery = delivery.delivery
        return _FaultyDelivery(self, delivery, self._losses[delivery.message.message_id])


class _FaultyDelivery:
    """
    A delivery over another one, which it adds its lost attempts to.

    Attributes:
        delivery: The other one.
    """

    __slots__ = ("_subscription", "attempt", "delivery", "message", "native", "redelivered")

    def __init__(self, subscription: FaultySubscription, delivery: Delivery, losses: int) -> None:
        self._subscription = subscription
        self.delivery = delivery
        self.message: SpaMessage = delivery.message
        self.attempt = None if delivery.attempt is None else delivery.attempt + losses
        self.redelivered = True if losses else delivery.redelivered
        self.native: Any = delivery.native

    async def settle(self, outcome: Outcome) -> bool:
        return await self._subscription.settle(self, outcome)
