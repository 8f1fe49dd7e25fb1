"""What happens when messages come faster than they are handled: bounds hold, and nothing is lost by them."""

from __future__ import annotations

import tracemalloc
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from spa_core import ConsumerApplication, SpaMessage
from spa_core.errors import QueueFullError
from spa_core.testing.hooks import Hooks
from spa_core.testing.parties import running
from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Reject, Retry

if TYPE_CHECKING:
    from collections.abc import Generator

    from spa_core import SpaSocket
    from spa_core.testing.kit import Kit
    from spa_core.transport import Delivery, Outcome, Subscription, TransportSocket

__all__ = ["Backpressure"]


class Backpressure(Hooks):
    """Scenarios about bounds."""

    @scenario("prefetch", "ack")
    async def test_no_more_in_hand_than_prefetch(self, kit: Kit) -> None:
        """However many messages wait and are asked for, no more than ``prefetch`` are handed out and not settled."""
        topic, other = kit.topic(), kit.topic()
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=kit.group(), prefetch=5) as subscription,
            kit.subscribed(socket, other) as passing_time,
        ):
            await kit.publish(socket, topic, *(b"%d" % number for number in range(40)))
            hand = _Hand(subscription)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hand.fill, 40)
                for _ in range(40):
                    await kit.until(lambda: hand.deliveries, "a message is handed out")
                    # So much time as a message needs: what is handed out too early had every chance to come.
                    await kit.publish(socket, other, b"tick")
                    await kit.take(passing_time)
                    await hand.deliveries.popleft().settle(ACK)
        assert hand.most <= 5

    @scenario("prefetch", "retry>=seek")
    async def test_every_settlement_makes_room(self, kit: Kit) -> None:
        """A delivery gives its place among those in hand back, whether it is acknowledged, retried or rejected."""
        topic = kit.topic()
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=kit.group(), prefetch=2) as subscription,
        ):
            await kit.publish(socket, topic, *(b"%d" % number for number in range(12)))
            outcomes: list[Outcome] = [Retry(), Reject("not wanted"), Retry(), ACK] * 6
            for outcome in outcomes:
                [delivery] = await kit.receive(subscription)
                assert await delivery.settle(outcome)
            await kit.assert_silent(subscription, socket, topic)

    @scenario("prefetch", alone=True)
    async def test_an_idle_consumer_piles_up_nothing(self, kit: Kit) -> None:
        """What is published while a subscription takes nothing is not piled up in memory, and is all there later."""
        topic = kit.topic()
        # One object, however often it is sent: what grows is what was made of it on the way.
        payload = kit.random.randbytes(min(65_536, kit.capabilities.max_payload or 65_536))
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=kit.group(), prefetch=10) as subscription,
        ):
            with _traced_memory() as grown:
                for _ in range(40):
                    await kit.publish(socket, topic, *([payload] * 10))
            for _ in range(40):
                await kit.take(subscription, 10)
        assert grown[0] < 200 * len(payload)

    @scenario(hook="make_bounded_provider")
    async def test_a_publisher_meets_the_bound(self, kit: Kit) -> None:
        """When as many messages wait as are allowed, ``publish`` waits or raises; what was accepted arrives."""
        limit, topic = 20, kit.topic()
        provider = self.make_bounded_provider(limit)
        publisher, taken, at_the_bound = _Publisher(topic), list[bytes](), 0
        async with (
            kit.socket(provider) as here,
            kit.socket(provider) as there,
            kit.subscribed(there, topic, group=kit.group(), prefetch=1) as subscription,
        ):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(publisher.publish, here, 5 * limit)
                await kit.until(lambda: len(publisher.accepted) >= limit, "the publisher fills the queue")
                await kit.let_run(100)
                at_the_bound = len(publisher.accepted)
                tasks.start_soon(_take_all, subscription, taken)
                await kit.until(lambda: publisher.ended and len(taken) >= len(publisher.accepted), "all arrive")
                tasks.cancel_scope.cancel()
            await kit.assert_silent(subscription, here, topic)
        assert limit <= at_the_bound <= limit + 1
        assert sorted(taken) == publisher.accepted
        for error in publisher.refused:
            assert (error.topic, error.limit, error.retriable) == (topic, limit, True)

    @scenario()
    async def test_handlers_may_publish_to_their_own_topic(self, kit: Kit) -> None:
        """A handler that publishes to the topic it handles never waits for itself, with a prefetch of 1."""
        topic = kit.topic()
        done = anyio.Event()

        async def count_down(message: SpaMessage, socket: SpaSocket) -> None:
            left = int(message.payload)
            if left:
                await socket.publish(topic, b"%d" % (left - 1))
            else:
                done.set()

        provider = kit.provider.overwrite_config(prefetch=1)
        application = ConsumerApplication(count_down, provider, topics=topic, group=kit.own_group())
        async with running(kit, application), kit.spa_socket() as socket:
            await socket.publish(topic, b"50")
            with anyio.fail_after(kit.patience):
                await done.wait()


class _Hand:
    """Takes whatever a subscription hands out, and keeps it unsettled."""

    def __init__(self, subscription: Subscription) -> None:
        self.deliveries: deque[Delivery] = deque()
        self.most = 0
        self._subscription = subscription

    async def fill(self, count: int) -> None:
        while count:
            batch = await self._subscription.receive_batch(50)
            count -= len(batch)
            self.deliveries += batch
            self.most = max(self.most, len(self.deliveries))


class _Publisher:
    """Publishes numbers and notes which were accepted."""

    def __init__(self, topic: str) -> None:
        self.accepted: list[bytes] = []
        self.refused: list[QueueFullError] = []
        self.ended = False
        self._topic = topic

    async def publish(self, socket: TransportSocket, count: int) -> None:
        for payload in (b"%03d" % number for number in range(count)):
            try:
                await socket.publish(SpaMessage(topic=self._topic, payload=payload))
            except QueueFullError as error:
                self.refused.append(error)
            else:
                self.accepted.append(payload)
        self.ended = True


async def _take_all(subscription: Subscription, taken: list[bytes]) -> None:
    while True:
        for delivery in await subscription.receive_batch(10):
            taken.append(delivery.message.payload)
            await delivery.settle(ACK)


@contextmanager
def _traced_memory() -> Generator[list[int]]:
    """Measure by how many bytes the memory grows in the block; the result is there when it was left."""
    traced_before = tracemalloc.is_tracing()
    tracemalloc.start()
    grown: list[int] = []
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield grown
        after, _ = tracemalloc.get_traced_memory()
        grown.append(after - before)
    finally:
        if not traced_before:
            tracemalloc.stop()
