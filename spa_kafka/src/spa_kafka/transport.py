"""
The provider and the sockets of the Kafka transport: publishing, subscribing, and the order of beginning and end.

How records are pumped, fetched and committed is decided below; which driver does it is known to the client alone.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Self

import anyio

from spa_core import SocketProvider
from spa_core.errors import ConnectError, PublishRefusedError, SocketClosedError
from spa_core.tls import tls_context
from spa_core.transport import Capabilities
from spa_kafka.answers import RepliesListening
from spa_kafka.arguments import consumer_arguments, link_arguments, producer_arguments
from spa_kafka.client import ConsumerLink
from spa_kafka.cluster import Cluster
from spa_kafka.config import KafkaConfig
from spa_kafka.envelope import kafka_envelope
from spa_kafka.listening import EverythingListening, Means, milliseconds_now
from spa_kafka.membership import MemberListening
from spa_kafka.producer import Producer
from spa_kafka.replies import REPLY_PREFIX, is_reply_topic
from spa_kafka.topics import DEAD_LETTER_TOPIC
from spa_kafka.wire import to_record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType

    from spa_core.envelopes import Envelope
    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionListener, SubscriptionSpec
    from spa_kafka.listening import Listening
    from spa_kafka.subscription import KafkaSubscription
    from spa_kafka.wire import Record

__all__ = ["KafkaSocket", "KafkaSocketProvider"]


class KafkaSocketProvider(SocketProvider[KafkaConfig]):
    """The Kafka transport; its sockets need asyncio, the one event loop that the driver knows."""

    reply_prefix: ClassVar[str] = REPLY_PREFIX
    dead_letter_topic: ClassVar[str] = DEAD_LETTER_TOPIC

    @property
    def capabilities(self) -> Capabilities:
        """What Kafka can do, under this configuration."""
        config = self.config
        return Capabilities(
            headers=True,
            key=True,
            ttl=True,
            timestamp=True,
            max_payload=config.max_payload,
            confirms="none" if config.acks == 0 else "broker",
            batch_publish=True,
            auto_create=config.declare_topics == "ensure",
            wildcards="mqtt",
            groups=True,
            fanout=True,
            durable=True,
            ordering="key",
            ack="cumulative",
            retry="seek",
            retry_delay=True,
            attempts=True,
            prefetch=True,
            reply=True,
            reconnect=True,
            restartable=True,
            persistent=True,
            health=True,
        )

    def open(self, on_connection: ConnectionListener) -> KafkaSocket:
        """Make a socket; it connects when it is entered."""
        return KafkaSocket(self.config, on_connection)

    def with_envelope(self, envelope: Envelope | None) -> Self:
        """Return a new provider whose sockets wrap messages in *envelope*, with Kafka's names of topics inside."""
        return super().with_envelope(kafka_envelope(envelope))


class KafkaSocket:
    """
    A way to a Kafka cluster; see :class:`~spa_core.transport.TransportSocket` for the contract.

    Args:
        config: The configuration.
        on_connection: Told of every change of the connection.
    """

    def __init__(self, config: KafkaConfig, on_connection: ConnectionListener) -> None:
        self._config = config
        self._on_connection = on_connection
        self._means: Means | None = None
        self._listening: set[Listening] = set()
        self._entered = False

    async def __aenter__(self) -> Self:
        """
        Connect.

        Raises:
            ParameterError: A file with certificates is not there, or holds something else.
            AuthenticationError: The broker refused the credentials.
            ConnectError: Not connected within the ``connect_timeout``, this socket is open already, or the event loop
                is not asyncio's.
        """
        _check_loop()
        if self._entered:
            raise ConnectError("the socket is open already", hint="Open another one of the same provider")
        self._entered = True
        means: Means | None = None
        try:
            means = await self._make_means()
            await means.cluster.open()
        except BaseException:
            self._entered = False
            if means is not None:
                with anyio.CancelScope(shield=True):
                    await means.cluster.close()
            raise
        self._means = means
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave every subscription, giving back what is not settled, and disconnect."""
        means, self._means = self._means, None
        if means is None:
            return
        with anyio.CancelScope(shield=True):
            try:
                await asyncio.gather(*(self._leave(each) for each in tuple(self._listening)))
            finally:
                await means.producer.close()
                await means.cluster.close()
                self._entered = False

    async def publish(self, message: SpaMessage) -> bool | None:
        """
        Publish a message; return once all replicas in sync have it (or as ``acks`` is configured).

        Raises:
            SocketClosedError: The socket is not open, or was closed before the message was sent.
            TopicError: Kafka cannot store the topic.
            MessageTooLargeError: The broker takes no message of this size.
            PublishRefusedError: The broker refuses the message, or there is no such topic.
            QueueFullError: As many messages as allowed wait to be sent, and went on waiting.
            PublishError: It was not accepted in time; the error says whether it can have been.
        """
        means = self._opened()
        record = to_record(message, milliseconds_now())
        if message.response_topic is not None:
            await self._expect_reply(message.response_topic)
        if is_reply_topic(record.topic):
            return await self._reply(means, record)
        await means.producer.publish(record.topic, record)
        return None

    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        """
        Publish in order; return once all messages are accepted.

        Raises:
            TopicError: Kafka cannot store a topic; nothing was sent.
            PublishError: As for :meth:`publish`, of the first message that was not accepted; those before it were,
                those behind it can have been if they went to other partitions.
        """
        means = self._opened()
        now = milliseconds_now()
        records = [to_record(message, now) for message in messages]
        for message in messages:
            if message.response_topic is not None:
                await self._expect_reply(message.response_topic)
        await means.producer.publish_many([(record.topic, record) for record in records])

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[KafkaSubscription]:
        """
        Subscribe while the context is open.

        Raises:
            SocketClosedError: The socket is not open.
            TopicError: A filter means nothing that Kafka has.
            SubscribeError: The broker refuses, or a topic does not exist and is not to be made.
            TransportError: No broker answers in time.
        """
        listening = _listening(spec, self._opened())
        self._listening.add(listening)
        try:
            await listening.open()
            yield listening.subscription
        finally:
            with anyio.CancelScope(shield=True):
                await self._leave(listening)

    async def check(self) -> None:
        """
        Prove that a broker answers.

        Raises:
            SocketClosedError: The socket is not open.
            TransportError: None does.
        """
        await self._opened().cluster.check()

    async def _make_means(self) -> Means:
        config = self._config
        context = await asyncio.to_thread(tls_context, config) if config.tls else None
        client_id = config.client_id or f"spa-{os.urandom(4).hex()}"
        common = link_arguments(config, context, client_id)
        cluster = Cluster(config, common, self._on_connection)
        producer = Producer(config, common | producer_arguments(config), cluster)
        consuming = common | consumer_arguments(config)

        def connect(group: str | None) -> ConsumerLink:
            return ConsumerLink(consuming, group)

        return Means(config, cluster, producer, connect)

    async def _leave(self, listening: Listening) -> None:
        if listening in self._listening:
            self._listening.discard(listening)
            await listening.close()

    async def _expect_reply(self, topic: str) -> None:
        """Make the topic for one reply, which the responder is told by name, before anybody answers there."""
        for listening in self._listening:
            if isinstance(listening, RepliesListening) and listening.owns(topic):
                await listening.expect(topic)

    async def _reply(self, means: Means, record: Record) -> bool | None:
        """Publish a reply; if its topic is gone so is who asked, and nothing is to be made for nobody."""
        cluster = means.cluster
        if record.topic not in cluster.topics and record.topic not in await cluster.look():
            return False
        try:
            await means.producer.publish(record.topic, record)
        except PublishRefusedError:
            if record.topic in cluster.topics:
                raise
            return False
        return None

    def _opened(self) -> Means:
        if self._means is None:
            raise SocketClosedError("the socket is not open", hint="Use it inside 'async with'")
        return self._means


def _listening(spec: SubscriptionSpec, means: Means) -> Listening:
    if spec.reply:
        return RepliesListening(spec, means)
    return EverythingListening(spec, means) if spec.group is None else MemberListening(spec, spec.group, means)


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        text = "the Kafka transport runs on asyncio only, the one event loop that its driver knows"
        raise ConnectError(text, hint="Run the application with the backend 'asyncio'") from None
