"""
The subscriptions of one socket, and how they are consumed.

A feed is one live subscription, hosted by a task of its own: so it can be opened by a handler and left by the socket,
although a context manager must be left by the task that entered it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

import anyio

from spa_core._groups import collapsing
from spa_core.errors import DisconnectedError, EndOfSubscription, SubscribeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from types import TracebackType

    from anyio.abc import TaskGroup, TaskStatus

    from spa_core.envelopes import Envelope
    from spa_core.message import SpaMessage
    from spa_core.transport import Delivery, Outcome, Subscription, SubscriptionSpec, TransportSocket

Intake: TypeAlias = "Callable[[Subscription], Awaitable[None]]"
"""Pulls deliveries until ``EndOfSubscription``, which it lets through."""


class Feed:
    """One live subscription and the event that ends its hosting task."""

    def __init__(self, spec: SubscriptionSpec) -> None:
        self.spec = spec
        self.subscription: Subscription
        self.leaving = anyio.Event()

    async def host(
        self,
        transport: TransportSocket,
        envelope: Envelope | None,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Hold the subscription open until :attr:`leaving` is set."""
        async with transport.subscribe(self.spec) as subscription:
            self.subscription = subscription if envelope is None else _Unwrapping(subscription, envelope)
            task_status.started()
            await self.leaving.wait()


class Feeds:
    """
    All feeds of a socket; whoever consumes them gets those that are added later too.

    An async context manager: leaving it leaves every subscription in good order.
    """

    def __init__(self, transport: TransportSocket, envelope: Envelope | None) -> None:
        self._transport = transport
        self._envelope = envelope
        self._hosts = anyio.create_task_group()
        self._hosted: list[Feed] = []
        self._feeds: dict[frozenset[str], Feed] = {}
        self._claimed = False
        self._consumer: tuple[TaskGroup, Intake] | None = None
        self._adding = anyio.Lock(fast_acquire=True)
        self._stopping = anyio.Event()

    async def __aenter__(self) -> Self:
        await self._hosts.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        for feed in self._hosted:
            feed.leaving.set()
        return await self._hosts.__aexit__(exc_type, exc, traceback)

    async def host(self, spec: SubscriptionSpec) -> Feed:
        """Subscribe, live on return."""
        feed = Feed(spec)
        await self._hosts.start(feed.host, self._transport, self._envelope)
        self._hosted.append(feed)
        return feed

    async def add(self, spec: SubscriptionSpec) -> None:
        """
        Subscribe for whoever consumes, live on return; the same topics twice are one feed.

        Raises:
            SubscribeError: There is a feed of the same topics, but for another group.
        """
        topics = frozenset(spec.topics)
        async with self._adding:  # two tasks that ask for the same at once get one feed
            if (known := self._feeds.get(topics)) is not None:
                _check_same_group(known.spec, spec)
                return
            feed = self._feeds[topics] = await self.host(spec)
        if self._stopping.is_set():
            await feed.subscription.stop_fetching()
        if self._consumer is not None:
            group, intake = self._consumer
            group.start_soon(self._take, feed, intake)

    async def remove(self, topics: frozenset[str]) -> bool:
        """Leave the feed of these topics; ``False`` if there is none."""
        feed = self._feeds.pop(topics, None)
        if feed is None:
            return False
        await feed.subscription.stop_fetching()
        feed.leaving.set()
        self._hosted.remove(feed)
        return True

    def topic_sets(self) -> list[frozenset[str]]:
        """Return the topics of each feed."""
        return list(self._feeds)

    def claim(self) -> Callable[[Intake], Coroutine[Any, Any, None]]:
        """
        Return what runs an intake on every feed, those added later included, until fetching is stopped and all ended.

        Raises:
            RuntimeError: Somebody has claimed the messages before: they can go to one place only.
        """
        if self._claimed:
            message = "the socket's messages are consumed already: by its queue, an iteration or an application"
            raise RuntimeError(message)
        self._claimed = True
        return self._consume_all

    async def _consume_all(self, intake: Intake) -> None:
        with collapsing():
            await self._consume(intake)

    async def _consume(self, intake: Intake) -> None:
        try:
            async with anyio.create_task_group() as group:
                self._consumer = group, intake
                for feed in list(self._feeds.values()):
                    group.start_soon(self._take, feed, intake)
                await self._stopping.wait()
        finally:
            self._consumer = None

    async def stop_fetching(self) -> None:
        """Hand out nothing more; what is handed out can still be settled."""
        self._stopping.set()
        for feed in list(self._feeds.values()):
            await feed.subscription.stop_fetching()

    async def _take(self, feed: Feed, intake: Intake) -> None:
        try:
            await intake(feed.subscription)
        except EndOfSubscription:
            if not (self._stopping.is_set() or feed not in self._feeds.values()):
                # Ending without having been asked to would leave the application deaf without a word.
                topics = ", ".join(feed.spec.topics)
                message = f"the subscription to {topics} ended unexpectedly"
                raise DisconnectedError(message) from None


def _check_same_group(known: SubscriptionSpec, wanted: SubscriptionSpec) -> None:
    if known.group != wanted.group:
        topics = ", ".join(wanted.topics)
        message = f"{topics} cannot be subscribed to in {_group(wanted)}: this socket listens to it in {_group(known)}"
        raise SubscribeError(message, topics=wanted.topics, hint="Unsubscribe first, or use another socket")


def _group(spec: SubscriptionSpec) -> str:
    return "no group" if spec.group is None else f"group {spec.group!r}"


class _Unwrapping:
    """A subscription whose messages are taken out of their envelope."""

    def __init__(self, subscription: Subscription, envelope: Envelope) -> None:
        self._subscription = subscription
        self._unwrap = envelope.unwrap

    async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
        batch = await self._subscription.receive_batch(max_messages)
        return [_Unwrapped(delivery, self._unwrap(delivery.message)) for delivery in batch]

    async def stop_fetching(self) -> None:
        await self._subscription.stop_fetching()


class _Unwrapped:
    """A delivery whose message was taken out of its envelope; settling goes to the transport's own delivery."""

    __slots__ = ("_delivery", "attempt", "message", "native", "redelivered")

    def __init__(self, delivery: Delivery, message: SpaMessage) -> None:
        self._delivery = delivery
        self.message = message
        self.attempt = delivery.attempt
        self.redelivered = delivery.redelivered
        self.native: Any = delivery.native

    async def settle(self, outcome: Outcome) -> bool:
        return await self._delivery.settle(outcome)
