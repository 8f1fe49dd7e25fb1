"""
What scenarios are written with: unique topics, sockets, subscriptions, and waiting that never sleeps.

Waiting is by event, with a deadline that only a failure reaches. That something does *not* happen is proved by a fence:
a later message on the same way, after whose arrival an earlier one cannot come any more.
"""

from __future__ import annotations

import itertools
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from spa_core.message import SpaMessage
from spa_core.transport import ACK, BatchPublisher, ConnectionEvent, Subscription, SubscriptionSpec, TransportSocket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from spa_core import SocketProvider
    from spa_core.transport import Capabilities, Delivery

__all__ = ["Kit"]

PATIENCE: Final = 10.0
"""Seconds before a wait counts as failed, times the suite's ``timeout_multiplier``."""


class Kit:
    """
    One scenario's tools.

    Attributes:
        provider: The provider under test.
        capabilities: What it declares.
        random: Seeded by the suite, so that a failure can be repeated.
        patience: Seconds before a wait counts as failed.
        events: Every change of connection that was reported, in order.
    """

    def __init__(self, provider: SocketProvider[Any], *, seed: int, timeout_multiplier: float = 1.0) -> None:
        self.provider = provider
        self.capabilities: Capabilities = provider.capabilities
        self.random = random.Random(seed)  # noqa: S311 - repeatable tests, not cryptography
        self.patience = PATIENCE * timeout_multiplier
        self.events: list[ConnectionEvent] = []
        # Unique, so that what an earlier run left behind in a broker is never taken for ours.
        self._prefix = f"kit-{random.SystemRandom().getrandbits(48):012x}"
        self._numbers = itertools.count(1)

    def unique(self, word: str) -> str:
        """Return a name nobody has used before."""
        return f"{self._prefix}-{word}-{next(self._numbers)}"

    def topic(self, *levels: str) -> str:
        """Return a topic nobody has used before, with *levels* below it."""
        return "/".join([f"{self._prefix}-{next(self._numbers)}", *levels])

    @asynccontextmanager
    async def socket(self, provider: SocketProvider[Any] | None = None) -> AsyncGenerator[TransportSocket]:
        """Open a transport socket."""
        with anyio.fail_after(self.patience):
            opening = (provider or self.provider).open(self.events.append)
            socket = await opening.__aenter__()
        async with AsyncExitStack() as stack:
            stack.push_async_exit(opening)
            yield socket

    @asynccontextmanager
    async def subscribed(
        self, socket: TransportSocket, *topics: str, group: str | None = None, prefetch: int = 100
    ) -> AsyncGenerator[Subscription]:
        """Subscribe, live when entered."""
        spec = SubscriptionSpec(topics=topics, group=group, prefetch=prefetch)
        async with socket.subscribe(spec) as subscription:
            yield subscription

    async def publish(self, socket: TransportSocket, topic: str, *payloads: bytes, **fields: Any) -> list[SpaMessage]:
        """Publish payloads one by one and return the messages."""
        messages = [SpaMessage(topic=topic, payload=payload, **fields) for payload in payloads]
        with anyio.fail_after(self.patience):
            for message in messages:
                await socket.publish(message)
        return messages

    async def publish_many(self, socket: TransportSocket, messages: Sequence[SpaMessage]) -> None:
        """Publish in one call where the transport can, else one by one."""
        with anyio.fail_after(self.patience):
            if self.capabilities.batch_publish and isinstance(socket, BatchPublisher):
                await socket.publish_many(messages)
            else:
                for message in messages:
                    await socket.publish(message)

    async def receive(self, subscription: Subscription, count: int = 1) -> list[Delivery]:
        """Return exactly *count* deliveries, not settled; a deadline reached is an assertion."""
        deliveries: list[Delivery] = []
        with anyio.move_on_after(self.patience):
            while len(deliveries) < count:
                deliveries += await subscription.receive_batch(count - len(deliveries))
        assert len(deliveries) == count, f"{len(deliveries)} of {count} messages arrived within {self.patience:g} s"
        return deliveries

    async def take(self, subscription: Subscription, count: int = 1) -> list[SpaMessage]:
        """Return exactly *count* messages and acknowledge them."""
        deliveries = await self.receive(subscription, count)
        await self.settle(deliveries)
        return [delivery.message for delivery in deliveries]

    async def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge deliveries."""
        for delivery in deliveries:
            await delivery.settle(ACK)

    async def assert_silent(self, subscription: Subscription, socket: TransportSocket, topic: str) -> None:
        """Prove that nothing is under way to *subscription*: a fence published now is the next thing it gets."""
        fence = self.unique("fence").encode()
        await self.publish(socket, topic, fence)
        [message] = await self.take(subscription)
        assert message.payload == fence, f"an unexpected message came first: {message.payload[:60]!r}"

    async def until_silent(self, subscription: Subscription, socket: TransportSocket, topic: str) -> list[Delivery]:
        """Return what is under way to *subscription*, not settled: all that comes before a fence published now."""
        fence = self.unique("fence").encode()
        await self.publish(socket, topic, fence)
        before: list[Delivery] = []
        while True:
            for delivery in await self.receive(subscription):
                if delivery.message.payload == fence:
                    await delivery.settle(ACK)
                    return before
                before.append(delivery)
