"""
The socket an application talks through: publish, subscribe, request, reply.

It knows the transport contract and nothing of any broker. What needs no broker is done here for every transport:
validation, identity, encoding, envelopes, pending requests.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from spa_core._failures import words
from spa_core._groups import collapsing
from spa_core._messaging.builder import MessageBuilder
from spa_core._messaging.iteration import MessageIterator, into_queue
from spa_core._messaging.link import linked
from spa_core._messaging.outgoing import Outgoing
from spa_core._messaging.requests import ERROR_HEADER
from spa_core.errors import RequestError, SocketClosedError
from spa_core.message import SpaMessage
from spa_core.topics import validate_filter
from spa_core.transport import BatchPublisher, SubscriptionSpec, check_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Unpack

    from spa_core._messaging.builder import MessageFields
    from spa_core._messaging.feeds import Intake
    from spa_core._messaging.iteration import MessageQueue
    from spa_core._messaging.link import Link
    from spa_core._messaging.provider import SocketProvider
    from spa_core.transport import ConnectionEvent, ConnectionListener

__all__ = ["SpaSocket"]

T = TypeVar("T")


class SpaSocket:
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
        # Random unless configured: two starts of one program must not throw each other off the broker.
        self.client_id = client_id or config.client_id or f"spa-{os.urandom(6).hex()}"
        self.client_name = client_name or config.client_name
        self.connected = False
        self.message_builder = MessageBuilder(provider.codecs, client_id=self.client_id, client_name=self.client_name)
        self._provider = provider
        self._queue = queue
        self._on_connection = on_connection
        self._outgoing = Outgoing(
            self.message_builder,
            before_publish=before_publish,
            capabilities=provider.capabilities,
            envelope=provider.envelope,
            transport=provider.describe(),
        )
        self._link: Link | None = None
        self._iterator: MessageIterator | None = None
        self._closing = AsyncExitStack()

    @property
    def requests_pending(self) -> int:
        """Requests that wait for their reply now."""
        return 0 if self._link is None else len(self._link.requests.pending)

    @property
    def late_replies(self) -> int:
        """Replies that came too late or that nobody asked for; they were dropped."""
        return 0 if self._link is None else self._link.requests.pending.late

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
        with collapsing():
            # Only a cancellation concerns the tasks inside; the caller's own error comes out as it is, not in a group.
            if isinstance(exc, anyio.get_cancelled_exc_class()):
                return await self._closing.__aexit__(exc_type, exc, traceback)
            return await self._closing.__aexit__(None, None, None)

    async def publish(self, message: SpaMessage | str, value: object = b"", **fields: Unpack[MessageFields]) -> None:
        """
        Publish a message, or a value to a topic; return once it is accepted at the transport's confirm level.

        Args:
            message: A complete message, or the topic to publish *value* to.
            value: With a topic: ``bytes`` and ``str`` go out as they are, any other object through the codec of its
                content type (JSON if none is given).
            **fields: With a topic: further fields of :class:`SpaMessage`.

        Raises:
            TopicError: The topic is not valid to publish to.
            CapabilityError: The message holds what the transport cannot carry.
            EncodeError: *value* cannot be encoded.
            PublishError: The message was not accepted.
            SocketClosedError: The socket is not open.

        Example:
            >>> async def announce(socket: SpaSocket) -> None:
            ...     await socket.publish("plants/north/flow", {"litres": 100.6}, key="north")
        """
        if isinstance(message, str):
            message = self.message_builder.make(message, value, fields)  # type: ignore[arg-type]  # a typed dict is a dict
        link = self._link
        if link is None:
            raise self._closed()
        await link.transport.publish(self._outgoing.prepare(message))

    async def publish_many(self, messages: Iterable[SpaMessage]) -> None:
        """
        Publish messages in order; return once all are accepted.

        Raises:
            PublishError: One was not accepted; those before it were, those after it were not.
            TopicError: One has an invalid topic; none was sent.
            SocketClosedError: The socket is not open.
        """
        transport = self._opened().transport
        prepared = [self._outgoing.prepare(message) for message in messages]
        if isinstance(transport, BatchPublisher):
            await transport.publish_many(prepared)
            return
        for message in prepared:
            await transport.publish(message)

    async def publish_letter(self, letter: SpaMessage) -> None:
        """
        Publish a dead letter: as :meth:`publish`, but without the envelope where that cannot hold the payload.

        What arrived outside of the envelope need not fit into it; its letter must be published all the same.
        """
        await self._opened().transport.publish(self._outgoing.prepare(letter, must_fit=False))

    async def subscribe(self, topic: str | Iterable[str], *, group: str | None = None) -> None:
        """
        Subscribe; once it returns, every message published from then on arrives.

        A message that matches several topics of one call arrives once. Subscribing to the same topics again
        does nothing.

        Args:
            topic: One topic or filter, or several.
            group: Share the messages with the other members of this group.

        Raises:
            TopicError: A filter is not valid.
            CapabilityError: The transport does not declare groups or wildcards that are asked for.
            SubscribeError: The broker refused.
            SocketClosedError: The socket is not open.
        """
        feeds = self._opened().feeds
        filters = tuple(dict.fromkeys(map(validate_filter, _as_tuple(topic))))
        spec = SubscriptionSpec(topics=filters, group=group, prefetch=self._provider.config.prefetch)
        check_subscription(self._provider.capabilities, spec, transport=self._provider.describe())
        await feeds.add(spec)

    async def unsubscribe(self, topic: str | Iterable[str]) -> None:
        """
        Leave a subscription, named by the topics of its :meth:`subscribe` call; messages handled already stay handled.

        Raises:
            LookupError: There is no subscription to exactly these topics.
            SocketClosedError: The socket is not open.
        """
        feeds = self._opened().feeds
        wanted = frozenset(_as_tuple(topic))
        if not await feeds.remove(wanted):
            known = "; ".join(", ".join(sorted(topics)) for topics in feeds.topic_sets()) or "none"
            message = f"no subscription to exactly {', '.join(sorted(wanted))}; there are: {known}"
            raise LookupError(message)

    async def request(
        self,
        message: SpaMessage | str,
        value: object = b"",
        *,
        timeout: float | None = None,
        **fields: Unpack[MessageFields],
    ) -> SpaMessage:
        """
        Publish a request and return its reply.

        The response topic is set here, whatever the message says, because the address ties the reply to the request.
        Where the transport honours ``ttl``, the request expires with its deadline. Cancel-safe.

        Args:
            message: A complete message, or the topic to send *value* to.
            value: As in :meth:`publish`.
            timeout: Seconds to wait for the reply; ``None`` is the configured ``request_timeout`` (30 s).
            **fields: As in :meth:`publish`.

        Raises:
            RequestTimeoutError: Nobody answered in time.
            NoRespondersError: The transport knows that nobody listens on the topic.
            RemoteError: The responder failed.
            PublishError: The request was not accepted.
            SocketClosedError: The socket is not open.
        """
        if isinstance(message, str):
            message = self.message_builder.make(message, value, fields)  # type: ignore[arg-type]  # a typed dict is a dict
        seconds = self._provider.config.request_timeout if timeout is None else timeout
        link = self._opened()

        async def send(addressed: SpaMessage) -> bool | None:
            return await link.transport.publish(self._outgoing.prepare(addressed))

        return await link.requests.exchange(self._outgoing.expiring(message, seconds), send, seconds)

    async def reply(self, request: SpaMessage, value: object, /, **fields: Unpack[MessageFields]) -> None:
        """
        Answer a request.

        Args:
            request: The message that asks; its ``response_topic`` is published to, its ``correlation_id`` is kept.
            value: As in :meth:`publish`; or a complete message, whose topic is replaced.
            **fields: As in :meth:`publish`.

        Raises:
            RequestError: The message asks for no reply.
        """
        if request.response_topic is None:
            text = f"the message on {request.topic!r} asks for no reply: it has no response topic"
            raise RequestError(text, topic=request.topic)
        fields.setdefault("correlation_id", request.correlation_id)
        if isinstance(value, SpaMessage):
            await self.publish(value.replace(topic=request.response_topic, **fields))
        else:
            await self.publish(request.response_topic, value, **fields)

    async def reply_error(self, request: SpaMessage, error: BaseException) -> None:
        """
        Answer a request with an error, which its sender sees as ``RemoteError``; only name and text travel.

        Does nothing if the message asks for no reply, or on a transport without headers, where an error could not be
        told from an answer.
        """
        if request.response_topic is not None and self._provider.capabilities.headers:
            headers = {ERROR_HEADER: type(error).__name__}
            await self.reply(request, words(error), content_type="text/plain", headers=headers)

    def decode(self, message: SpaMessage, wanted: type[T]) -> T:
        """
        Decode a message's payload by its content type.

        Args:
            message: The message, such as a reply.
            wanted: The type to decode into.

        Raises:
            DecodeError: The payload is not of that type.
            UnknownContentTypeError: No codec is installed for the content type.
        """
        decoded: T = self._provider.codecs.decode(message, wanted)
        return decoded

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
        self._link = None
        self._iterator = None

    def _opened(self) -> Link:
        if self._link is None:
            raise self._closed()
        return self._link

    def _closed(self) -> SocketClosedError:
        text = f"the socket to {self._provider.describe()} is not open"
        return SocketClosedError(text, hint="Use it inside 'async with provider.create_socket() as socket:'")


def _as_tuple(topics: str | Iterable[str]) -> tuple[str, ...]:
    return (topics,) if isinstance(topics, str) else tuple(topics)
