"""
What scenarios are written with: unique topics, sockets, subscriptions, and waiting that never sleeps.

Waiting is by event, with a deadline that only a failure reaches. That something does *not* happen is proved by a fence:
a later message on the same way, after whose arrival an earlier one cannot come any more.
"""

from __future__ import annotations

import itertools
import math
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from spa_core.message import SpaMessage
from spa_core.testing.resources import Resources
from spa_core.transport import ACK, BatchPublisher, ConnectionEvent, Subscription, SubscriptionSpec, TransportSocket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from spa_core import SocketProvider, SpaSocket
    from spa_core.transport import Capabilities, Delivery

__all__ = ["Kit"]

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds before a wait counts as failed, times the suite's ``timeout_multiplier``."""

_CARRIED: Final = (
    "topic",
    "payload",
    "content_type",
    "client_id",
    "client_name",
    "response_topic",
    "correlation_id",
    "message_id",
)
"""Fields of a message that every transport carries."""


class Kit:
    """
    One scenario's tools.

    Attributes:
        provider: The provider under test.
        capabilities: What it declares.
        random: Seeded by the suite, so that a failure can be repeated.
        patience: Seconds before a wait counts as failed.
        longest: Seconds before a whole scenario counts as failed, whatever it waits for.
        events: Every change of connection that was reported, in order.
        twins: The tools of those who perform the same scenario at the same time, for stress.
    """

    def __init__(
        self,
        provider: SocketProvider[Any],
        *,
        seed: int,
        timeout_multiplier: float = 1.0,
        create_topic: Callable[[str], None] | None = None,
    ) -> None:
        self.provider = provider
        self.capabilities: Capabilities = provider.capabilities
        self.random = random.Random(seed)  # noqa: S311 - repeatable tests, not cryptography
        self.patience = PATIENCE * timeout_multiplier
        self.longest = 6 * self.patience
        self.events: list[ConnectionEvent] = []
        self.twins: list[Kit] = []
        # Unique, so that what an earlier run left behind in a broker is never taken for ours.
        self._prefix = f"kit-{random.SystemRandom().getrandbits(48):012x}"
        self._numbers = itertools.count(1)
        self._create_topic = None if self.capabilities.auto_create else create_topic
        self._made: set[str] = set()
        # Where order is kept by key, messages without one could overtake each other, and a fence all of them.
        keyed = self.capabilities.key and self.capabilities.ordering == "key"
        self._fields: dict[str, Any] = {"key": b"kit"} if keyed else {}

    def unique(self, word: str) -> str:
        """Return a name nobody has used before."""
        return f"{self._prefix}-{word}-{next(self._numbers)}"

    def topic(self, *levels: str) -> str:
        """Return a topic nobody has used before, with *levels* below it; it exists where topics must."""
        topic = self.unmade_topic(*levels)
        self._make_topics(topic)
        return topic

    def unmade_topic(self, *levels: str) -> str:
        """Return the name of a topic nobody has used, or made, before."""
        return "/".join([f"{self._prefix}-{next(self._numbers)}", *levels])

    def _make_topics(self, *filters: str) -> None:
        if self._create_topic is None:
            return
        for topic in filters:
            if topic not in self._made and not {"+", "#"}.intersection(topic.split("/")):
                self._made.add(topic)
                self._create_topic(topic)

    def full_message(self, topic: str, payload: bytes = b"body", **fields: Any) -> SpaMessage:
        """Make a message in which every field is set that the transport carries unchanged."""
        words = ("client_id", "client_name", "correlation_id", "message_id", "response_topic")
        made: dict[str, Any] = {name: self.unique(name) for name in words}
        made["content_type"] = "application/vnd.kit+json"
        optional = {"headers": {"unit": "m3"}, "key": b"one key", "timestamp": 1_234_567_890.123}
        made |= {name: optional[name] for name in self._declared(optional)}
        return SpaMessage(topic=topic, payload=payload, **(made | fields))

    def carried(self, message: SpaMessage) -> dict[str, object]:
        """Return the fields that the transport carries unchanged, as they are in *message*."""
        return {name: getattr(message, name) for name in (*_CARRIED, *self._declared(("headers", "key", "timestamp")))}

    def _declared(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if getattr(self.capabilities, name)]

    def group(self) -> str | None:
        """Return a new group where there are groups, for what some transports do for groups only: give back."""
        return self.unique("group") if self.capabilities.groups else None

    def own_group(self) -> str | None:
        """Return what gives a subscription every message: no group, or where there must be one a group of its own."""
        return None if self.capabilities.fanout else self.unique("group")

    @asynccontextmanager
    async def in_time(self, opening: AbstractAsyncContextManager[T]) -> AsyncGenerator[T]:
        """Enter a context and leave it, each within the patience; what is done inside takes the time it takes."""
        with anyio.fail_after(self.patience) as scope:
            async with opening as opened:
                scope.deadline = math.inf
                try:
                    yield opened
                finally:
                    scope.deadline = anyio.current_time() + self.patience

    @asynccontextmanager
    async def socket(self, provider: SocketProvider[Any] | None = None) -> AsyncGenerator[TransportSocket]:
        """Open a transport socket."""
        async with self.in_time((provider or self.provider).open(self.events.append)) as socket:
            yield socket

    @asynccontextmanager
    async def spa_socket(self, provider: SocketProvider[Any] | None = None) -> AsyncGenerator[SpaSocket]:
        """Open core's socket over the transport."""
        async with self.in_time((provider or self.provider).create_socket()) as socket:
            yield socket

    @asynccontextmanager
    async def subscribed(
        self, socket: TransportSocket, *topics: str, group: str | None = None, prefetch: int = 100
    ) -> AsyncGenerator[Subscription]:
        """Subscribe, live when entered; without a *group* the subscription gets every message."""
        self._make_topics(*topics)
        spec = SubscriptionSpec(topics=topics, group=group or self.own_group(), prefetch=prefetch)
        async with socket.subscribe(spec) as subscription:
            yield subscription

    async def publish(self, socket: TransportSocket, topic: str, *payloads: bytes, **fields: Any) -> list[SpaMessage]:
        """Publish payloads one by one, with one key for all unless given another, and return the messages."""
        self._make_topics(topic)
        fields = self._fields | fields
        messages = [SpaMessage(topic=topic, payload=payload, **fields) for payload in payloads]
        with anyio.fail_after(self.patience):
            for message in messages:
                await socket.publish(message)
        return messages

    async def publish_many(self, socket: TransportSocket, messages: Sequence[SpaMessage]) -> None:
        """Publish in one call where the transport can, else one by one."""
        self._make_topics(*(message.topic for message in messages))
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
                batch = await subscription.receive_batch(count - len(deliveries))
                assert batch, "receive_batch returned without a message"  # or one that is never cancelled would spin
                deliveries += batch
        assert len(deliveries) == count, f"{len(deliveries)} of {count} messages arrived within {self.patience:g} s"
        return deliveries

    async def take(self, subscription: Subscription, count: int = 1) -> list[SpaMessage]:
        """Return exactly *count* messages, each acknowledged before more are asked for."""
        messages: list[SpaMessage] = []
        with anyio.move_on_after(self.patience):
            while len(messages) < count:
                batch = await subscription.receive_batch(count - len(messages))
                assert batch, "receive_batch returned without a message"
                await self.settle(batch)
                messages += (delivery.message for delivery in batch)
        assert len(messages) == count, f"{len(messages)} of {count} messages arrived within {self.patience:g} s"
        return messages

    async def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge deliveries."""
        for delivery in deliveries:
            await delivery.settle(ACK)

    async def share(
        self, subscriptions: Sequence[Subscription], payloads: Iterable[bytes], *, settle: bool = True
    ) -> list[tuple[int, Delivery]]:
        """
        Let subscriptions take at the same time until they have all *payloads* between them.

        Args:
            subscriptions: Such as the members of a group.
            payloads: What there is to take, at least.
            settle: Whether each acknowledges what it takes.

        Returns:
            Who took what, by its place in *subscriptions*, in the order they took it, repetitions included.
        """
        taken: list[tuple[int, Delivery]] = []
        missing = set(payloads)

        async def take(member: int, subscription: Subscription) -> None:
            while missing:
                batch = await subscription.receive_batch(10)
                taken.extend((member, delivery) for delivery in batch)
                if settle:
                    with anyio.CancelScope(shield=True):  # who is told to stop still acknowledges what he has
                        await self.settle(batch)
                missing.difference_update(delivery.message.payload for delivery in batch)
            tasks.cancel_scope.cancel()

        with anyio.move_on_after(self.patience):
            async with anyio.create_task_group() as tasks:
                for member, subscription in enumerate(subscriptions):
                    tasks.start_soon(take, member, subscription)
        assert not missing, f"{len(missing)} messages did not arrive within {self.patience:g} s: {sorted(missing)[:3]}"
        return taken

    async def cut_short(self, work: Callable[[], Coroutine[Any, Any, object]], turns: int) -> None:
        """Run *work*, and cancel it after so many *turns* of the event loop unless it has ended."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await self.let_run(turns)
            tasks.cancel_scope.cancel()

    async def let_run(self, turns: int = 20) -> None:
        """Let other tasks run, so many *turns* of the event loop."""
        for _ in range(turns):
            await checkpoint()

    async def travel(self, *messages: SpaMessage) -> list[SpaMessage]:
        """Publish messages on one socket and take them on another; return them as they arrive."""
        topics = dict.fromkeys(message.topic for message in messages)
        async with self.socket() as there, self.socket() as here, self.subscribed(there, *topics) as subscription:
            await self.publish_many(here, messages)
            return await self.take(subscription, len(messages))

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

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until *condition* holds, for what announces itself by no event; *what* says what is waited for."""
        with anyio.move_on_after(self.patience):
            while not condition():
                await checkpoint()
            return
        raise AssertionError(f"{what}: not within {self.patience:g} s")

    async def nothing_left_since(self, before: Resources) -> None:
        """Fail if a task, a thread or a descriptor is open that was not *before*, and does not go by itself."""
        with anyio.move_on_after(self.patience):
            while Resources.now().since(before):
                await checkpoint()
            return
        left = Resources.now().since(before)
        assert not left, f"left behind: {', '.join(left)}"
