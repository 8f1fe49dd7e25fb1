"""
A live subscription: hands out what its consumers hold, as messages, and takes back how each delivery ended.

What a delivery that ended means for its partition is decided there; what it means to the broker is the consumer's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from spa_core.errors import EndOfSubscription, SpaError
from spa_core.transport import ACK, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spa_core.message import SpaMessage
    from spa_core.transport import Outcome
    from spa_kafka.assignment import Assignment
    from spa_kafka.client import Record
    from spa_kafka.consumer import Consumer
    from spa_kafka.partitions import Partition

__all__ = ["KafkaDelivery", "KafkaSubscription"]


class KafkaDelivery:
    """
    One message handed out; see :class:`~spa_core.transport.Delivery` for the contract.

    Attributes:
        message: The message.
        attempt: 1 on the first delivery, rising with each redelivery.
        native: The record of the driver.
    """

    __slots__ = ("_partition", "_subscription", "attempt", "message", "native")

    def __init__(
        self,
        message: SpaMessage,
        attempt: int,
        native: Record,
        partition: Partition[Record],
        subscription: KafkaSubscription,
    ) -> None:
        self.message = message
        self.attempt = attempt
        self.native = native
        self._partition = partition
        self._subscription = subscription

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, as far as is known: a consumer that was killed tells nobody."""
        return self.attempt > 1

    async def settle(self, outcome: Outcome) -> bool:
        """Say how the delivery ended; ``False`` if it was settled before, or the partition is gone by now."""
        if outcome is ACK:
            return self._subscription.settled(self._partition.finish(self.native.offset, self.attempt))
        return self._subscription.settle(self._partition, self.native, self.attempt, outcome)


class KafkaSubscription:
    """
    A live subscription; see :class:`~spa_core.transport.Subscription` for the contract.

    Args:
        prefetch: The most deliveries in hand.
        postpone: Lets a record wait for its next attempt elsewhere, and says whether it takes care of that; ``None``
            where records only wait here.

    Attributes:
        consumers: What fetches for it.
    """

    def __init__(
        self,
        prefetch: int,
        postpone: Callable[[Partition[Record], Record, int, float], bool] | None = None,
    ) -> None:
        self.consumers: list[Consumer] = []
        self._prefetch = prefetch
        self._postpone = postpone
        self._in_hand = 0
        self._fetching = True
        self._error: SpaError | None = None
        self._roused: asyncio.Event | None = None

    async def receive_batch(self, max_messages: int) -> Sequence[KafkaDelivery]:
        """
        Wait until at least one message is there and return up to *max_messages*, those of a partition in order.

        Raises:
            EndOfSubscription: Fetching was stopped, or the subscription or its socket was closed.
            TransportError: The broker refuses to let this subscription go on.
        """
        # Before taking, because what was taken would be lost by a cancellation.
        await checkpoint()
        while self._fetching:
            batch = self._take(min(max_messages, self._prefetch - self._in_hand))
            if batch:
                return batch
            if self._error is not None:
                raise self._error
            await self._sleep()
        raise EndOfSubscription

    async def stop_fetching(self) -> None:
        """Hand out nothing more and wake whoever waits; what is in hand can still be settled."""
        self.end()
        for consumer in self.consumers:
            consumer.stop_fetching()

    def end(self) -> None:
        """Hand out nothing more."""
        self._fetching = False
        self.arrived()

    def arrived(self) -> None:
        """Wake whoever waits: there may be something to hand out."""
        if self._roused is not None:
            self._roused.set()
            self._roused = None

    def given_up(self, count: int) -> None:
        """Note that so many deliveries in hand cannot be settled any more."""
        self._in_hand -= count
        self.arrived()

    def failed(self, error: SpaError) -> None:
        """Raise *error* from whoever receives, once what is there was handed out."""
        self._error = error
        self.arrived()

    def settle(self, partition: Partition[Record], record: Record, attempt: int, outcome: Outcome) -> bool:
        """Note how a delivery ended; ``False`` if this attempt is not in hand."""
        offset = record.offset
        if not isinstance(outcome, Retry):
            return self.settled(partition.finish(offset, attempt))
        if outcome.delay <= 0:
            return self.settled(partition.give_back(offset, attempt))
        if self._postpone is not None:
            return self.settled(self._postpone(partition, record, attempt, outcome.delay))
        return self.settled(partition.give_back(offset, attempt, self._now() + outcome.delay))

    def settled(self, applied: bool) -> bool:  # noqa: FBT001 - handed on
        """Hear whether a settlement took effect, and return it."""
        if applied:
            self._in_hand -= 1
            if self._roused is not None:
                self.arrived()
            for consumer in self.consumers:
                consumer.settled()
        return applied

    def _take(self, most: int) -> list[KafkaDelivery]:
        batch: list[KafkaDelivery] = []
        now = self._now()
        for consumer in self.consumers:
            if consumer.assignment is not None:
                self._fill(batch, most, consumer, consumer.assignment, now)
                consumer.taken()
        self._in_hand += len(batch)
        return batch

    def _fill(
        self, batch: list[KafkaDelivery], most: int, consumer: Consumer, assignment: Assignment[Record], now: float
    ) -> None:
        message_of = consumer.reading.message
        while len(batch) < most:
            empty = True
            for partition, record, attempt in assignment.take(most - len(batch), now):
                empty = False
                message = message_of(record)
                if message is None:
                    partition.finish(record.offset, attempt)
                else:
                    batch.append(KafkaDelivery(message, attempt, record, partition, self))
            if empty:
                return

    async def _sleep(self) -> None:
        roused = self._roused
        if roused is None:
            roused = self._roused = asyncio.Event()
        assignments = (consumer.assignment for consumer in self.consumers)
        due = min((each.due for each in assignments if each is not None and each.due is not None), default=None)
        if due is None or self._in_hand >= self._prefetch:
            await roused.wait()
            return
        with anyio.move_on_after(max(0.0, due - self._now())):
            await roused.wait()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
