"""
The socket an application talks through: it connects, and has what its subscriptions receive consumed in one place.

It knows the transport contract and nothing of any broker.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import anyio

from spa_core._groups import collapsing
from spa_core._messaging.iteration import MessageIterator, into_queue
from spa_core._messaging.link import linked
from spa_core._messaging.publisher import Publisher
from spa_core.errors import TopicError
from spa_core.topics import validate_filter
from spa_core.transport import SubscriptionSpec, check_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from spa_core._messaging.feeds import Intake
    from spa_core._messaging.iteration import MessageQueue
    from spa_core._messaging.provider import SocketProvider
    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionEvent, ConnectionListener

__all__ = ["SpaSocket"]


class SpaSocket(Publisher):
    """
    A connection to the message bus; an async context manager, connected when entered.

    Made by :meth:`SocketProvider.create_socket`. Several tasks of one event loop may use it at once. Iterating over it
    gives the messages of its subscriptions; each counts as handled when the next one is asked for, so that a message
    whose loop body failed is given back to the broker on closing.

    Attributes:
        client_id: The id that messages published here carry.
        client_name: The readable name that messages published here carry.
        connected: Whether the transport says it is connected.
        message_builder: Makes messages that carry this socket's identity.

    Example:
        >>> import anyio
        >>> from spa_core import SocketProviderFactory
        >>> async def main() -> bytes:
        ...     provider = SocketProviderFactory.from_url("memory://doc?topics=plants/%23")
        ...     async with provider.create_socket() as socket:
        ...         await socket.publish("plants/north/flow", {"litres": 100.6})
        ...         async for message in socket:
        ...             return message.payload
        ...     return b""
        >>> anyio.run(main)
        b'{"litres":100.6}'
    """

    def __init__(
        self,
        provider: SocketProvider[Any],
        queue: MessageQueue | None = None,
        *,
        client_id: str | None = None,
        client_name: str | None = None,
        before_publish: Iterable[Callable[[SpaMessage], SpaMessage]] = (),
        on_connection: ConnectionListener | None = None,
    ) -> None:
        config = provider.config
        super().__init__(
            provider,
            # Random unless configured: two starts of one program must not throw each other off the broker.
            client_id=client_id or config.client_id or f"spa-{os.urandom(6).hex()}",
            client_name=client_name or config.client_name,
            before_publish=before_publish,
        )
        self.connected = False
        self._queue = queue
        self._on_connection = on_connection
        self._iterator: MessageIterator | None = None
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """
        Connect and subscribe to the configured default topics.

        Raises:
            ConnectError: No connection within the transport's deadline.
            SubscribeError: A default topic was refused.
        """
        if self._link is not None:
            message = "the socket is open already; make another one with create_socket()"
            raise RuntimeError(message)
        with collapsing():
            async with AsyncExitStack() as stack:
                self._link = await stack.enter_async_context(linked(self._provider, self._connection_changed))
                stack.callback(self._forget_link)
                await self._begin()
                self._closing = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Close; unsettled messages of groups are given back to the broker."""
        try:
            with collapsing():
                # Only a cancellation concerns the tasks inside; the caller's own error comes out as it is, in no group.
                if isinstance(exc, anyio.get_cancelled_exc_class()):
                    return await self._closing.__aexit__(exc_type, exc, traceback)
                return await self._closing.__aexit__(None, None, None)
        except BaseException as error:
            # The stack was not told of the caller's error, and takes it out of the context; it would be lost.
            if error is not exc and error.__context__ is None:
                error.__context__ = exc
            raise

    async def subscribe(self, topic: str | Iterable[str], *, group: str | None = None) -> None:
        """
        Subscribe; once it returns, every message published from then on arrives.

        A message that matches several topics of one call arrives once. Subscribing to the same topics again
        does nothing.

        Args:
            topic: One topic or filter, or several.
            group: Share the messages with the other members of this group.

        Raises:
            TopicError: A filter is not valid, or there is none.
            CapabilityError: The transport does not declare groups or wildcards that are asked for.
            SubscribeError: The broker refused, or this socket listens to the same topics in another group.
            SocketClosedError: The socket is not open.
        """
        feeds = self._opened().feeds
        filters = tuple(dict.fromkeys(map(validate_filter, as_tuple(topic))))
        if not filters:
            message = "there is no topic to subscribe to"
            raise TopicError(message, topic="", reason="none is given")
        spec = SubscriptionSpec(topics=filters, group=group, prefetch=self._provider.config.prefetch)
        check_subscription(self._provider.capabilities, spec, transport=self._provider.describe())
        await feeds.add(spec)

    async def unsubscribe(self, topic: str | Iterable[str]) -> None:
        """
        Leave a subscription, named by the topics of its :meth:`subscribe` call; messages handled already stay handled.

        Raises:
            TopicError: There is no subscription to exactly these topics.
            SocketClosedError: The socket is not open.
        """
        feeds = self._opened().feeds
        wanted = frozenset(as_tuple(topic))
        if not await feeds.remove(wanted):
            known = "; ".join(", ".join(sorted(topics)) for topics in feeds.topic_sets()) or "none"
            message = f"no subscription to exactly {', '.join(sorted(wanted))}; there are: {known}"
            raise TopicError(message, topic=", ".join(sorted(wanted)), reason="not subscribed to")

    def __aiter__(self) -> MessageIterator:
        if self._iterator is None:
            link = self._opened()
            self._iterator = MessageIterator(link.feeds.claim(), link.tasks)
        return self._iterator

    async def consume(self, intake: Intake) -> None:
        """
        Run *intake* on every subscription, later ones included, until :meth:`stop_fetching` and all have ended.

        Raises:
            RuntimeError: The messages are consumed already: by the queue, an iteration or an application.
            DisconnectedError: A subscription ended without having been asked to.
        """
        await self._opened().feeds.claim()(intake)

    async def stop_fetching(self) -> None:
        """Begin to drain: hand out nothing more; what is handed out can still be settled."""
        await self._opened().feeds.stop_fetching()

    async def check(self) -> None:
        """
        Prove that the broker answers.

        Raises:
            TransportError: It does not.
        """
        await self._opened().transport.check()

    async def _begin(self) -> None:
        config = self._provider.config
        if config.default_subscription_topics:
            await self.subscribe(config.default_subscription_topics, group=config.group)
        if self._queue is not None:
            link = self._opened()
            link.tasks.start_soon(link.feeds.claim(), into_queue(self._queue))

    def _connection_changed(self, event: ConnectionEvent) -> None:
        self.connected = event.state == "connected"
        if self._on_connection is not None:
            self._on_connection(event)

    def _forget_link(self) -> None:
        self.connected = False
        self._link = None
        self._iterator = None


def as_tuple(topics: str | Iterable[str]) -> tuple[str, ...]:
    """Return topics given as one or as several: a ``str`` is one."""
    return (topics,) if isinstance(topics, str) else tuple(topics)
