"""
What can be sent over an open link: messages, requests, replies; and the link's own state, open or not.

What needs no broker is done here for every transport: identity, encoding, validation, envelopes, pending requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from spa_core._failures import words
from spa_core._messaging.builder import MessageBuilder
from spa_core._messaging.outgoing import NOTHING, Outgoing, check_whole
from spa_core._messaging.requests import ERROR_HEADER
from spa_core.errors import RequestError, SocketClosedError
from spa_core.message import SpaMessage
from spa_core.transport import BatchPublisher, Counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Unpack

    from spa_core._messaging.builder import MessageFields
    from spa_core._messaging.link import Link
    from spa_core._messaging.provider import SocketProvider

T = TypeVar("T")


class Publisher:
    """The sending half of a socket."""

    def __init__(
        self,
        provider: SocketProvider[Any],
        *,
        client_id: str,
        client_name: str | None,
        before_publish: Iterable[Callable[[SpaMessage], SpaMessage]],
    ) -> None:
        self.client_id = client_id
        self.client_name = client_name
        self.message_builder = MessageBuilder(provider.codecs, client_id=client_id, client_name=client_name)
        self._provider = provider
        self._outgoing = Outgoing(
            self.message_builder,
            before_publish=before_publish,
            capabilities=provider.capabilities,
            envelope=provider.envelope,
            transport=provider.describe(),
        )
        self._link: Link | None = None

    @property
    def requests_pending(self) -> int:
        """Requests that wait for their reply now."""
        return 0 if self._link is None else len(self._link.requests.pending)

    @property
    def late_replies(self) -> int:
        """Replies that came too late or that nobody asked for; they were dropped."""
        return 0 if self._link is None else self._link.requests.pending.late

    @property
    def counters(self) -> Mapping[str, int]:
        """What the transport counts; see :class:`~spa_core.transport.Counting`. Empty while the socket is not open."""
        if self._link is None or not isinstance(self._link.transport, Counting):
            return {}
        return dict(self._link.transport.counters)

    async def publish(
        self, message: SpaMessage | str, value: object = NOTHING, **fields: Unpack[MessageFields]
    ) -> None:
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
            TypeError: There is a value or a field beside a complete message.

        Example:
            >>> async def announce(socket: SpaSocket) -> None:
            ...     await socket.publish("plants/north/flow", {"litres": 100.6}, key="north")
        """
        if isinstance(message, str):
            message = self.message_builder.make(message, value, fields)  # type: ignore[arg-type]  # a typed dict is a dict
        elif fields or value is not NOTHING or type(message) is not SpaMessage:  # a call would cost every message
            check_whole(message, value, fields)
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

    async def publish_letter(self, letter: SpaMessage) -> bool | None:
        """
        Publish a dead letter: as :meth:`publish`, but without the envelope where that cannot hold the payload.

        What arrived outside of the envelope need not fit into it; its letter must be published all the same.

        Returns:
            Whether anybody listens, as :meth:`TransportSocket.publish` tells.
        """
        return await self._opened().transport.publish(self._outgoing.prepare(letter, must_fit=False))

    async def request(
        self,
        message: SpaMessage | str,
        value: object = NOTHING,
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
        else:
            check_whole(message, value, fields)
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

        Does nothing if the message asks for no reply, or where an error could not be told from an answer: on a
        transport without headers, and towards a node of the origin, which reads none.
        """
        # Requests of SPA always carry a correlation id beside the envelope, those of the origin's nodes never do.
        from_origin = self._provider.envelope is not None and request.correlation_id is None
        if request.response_topic is not None and self._provider.capabilities.headers and not from_origin:
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

    def _opened(self) -> Link:
        if self._link is None:
            raise self._closed()
        return self._link

    def _closed(self) -> SocketClosedError:
        text = f"the socket to {self._provider.describe()} is not open"
        return SocketClosedError(text, hint="Use it inside 'async with provider.create_socket() as socket:'")
