"""
The provider and the sockets of the MQTT transport: which connections there are, and what is told of them.

A socket has one connection to publish and to be answered on, and each of its subscriptions one of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import anyio
from anyio.lowlevel import checkpoint

from spa_core import SocketProvider
from spa_core.config import replace_config
from spa_core.errors import ConnectError, DisconnectedError, SocketClosedError
from spa_core.transport import Capabilities
from spa_mqtt.config import MqttConfig
from spa_mqtt.opened import OpenSocket, counted
from spa_mqtt.replies import ReplySubscription
from spa_mqtt.subscription import MqttSubscription
from spa_mqtt.wire import LARGEST_PAYLOAD

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionListener, Subscription, SubscriptionSpec

__all__ = ["MqttSocket", "MqttSocketProvider"]


class MqttSocketProvider(SocketProvider[MqttConfig]):
    """
    MQTT 5 and 3.1.1, over TCP, TLS, websockets and unix sockets.

    Example:
        >>> MqttSocketProvider(MqttConfig(host="broker")).describe()
        "MqttConfig(host='broker')"
    """

    @property
    def reply_prefix(self) -> str:  # type: ignore[override]  # configured for each provider, not for the class
        """First levels of the topics that replies come back on: the ``response_prefix``."""
        return self.config.response_prefix

    @property
    def capabilities(self) -> Capabilities:
        """What the configured protocol and session allow; groups are durable with a session that is kept."""
        config = self._in_force
        is_v5 = config.protocol != "3.1.1"
        carries = is_v5 or config.envelope != "never"
        is_confirmed = config.qos > 0
        is_durable = config.is_persistent and is_confirmed
        return Capabilities(
            headers=carries,
            key=carries,
            ttl=carries,
            retain=True,
            timestamp=is_v5 or config.envelope == "always",
            max_payload=LARGEST_PAYLOAD,
            unicode_topics=True,
            confirms="broker" if is_confirmed else "local",
            no_responders=is_v5 and config.qos == 1,
            auto_create=True,
            wildcards="mqtt",
            groups=True,
            fanout=True,
            durable=is_durable,
            ordering="single",
            ack="cumulative" if is_confirmed and config.ack == "after_handler" else "none",
            retry="native",
            retry_delay=True,
            attempts=True,
            prefetch=True,
            reply=True,
            reconnect=True,
            restartable=True,
            persistent=is_durable,
            health=True,
        )

    def open(self, on_connection: ConnectionListener) -> MqttSocket:
        """Make a socket; it connects when it is entered."""
        return MqttSocket(self._in_force, on_connection)

    @property
    def _in_force(self) -> MqttConfig:
        # Who reads another envelope, such as a node of the origin, could not read one that has ours in front.
        if self.envelope is None or self.config.envelope != "auto":
            return self.config
        return replace_config(self.config, envelope="never")


class MqttSocket:
    """
    A way to a broker; see :class:`~spa_core.transport.TransportSocket` for the contract.

    Args:
        config: The configuration.
        on_connection: Called at each change of the connection.
    """

    def __init__(self, config: MqttConfig, on_connection: ConnectionListener) -> None:
        self._config = config
        self._on_connection = on_connection
        self._opened: OpenSocket | None = None
        self._counted: Mapping[str, int] = counted([], lost=0)

    @property
    def counters(self) -> Mapping[str, int]:
        """Messages that were dropped because they came too fast, and that expired here; connections that were lost."""
        return self._counted if self._opened is None else self._opened.counters

    async def __aenter__(self) -> Self:
        """
        Connect.

        Raises:
            AuthenticationError: The broker refused the credentials.
            ConnectError: Not connected in time, refused for good, or not running on asyncio.
            ParameterError: A file that the configuration names cannot be read.
        """
        _check_asyncio()
        if self._opened is not None:
            raise ConnectError("the socket is open already", hint="Open another one of the same provider")
        opened = OpenSocket(self._config, self._on_connection)
        await opened.open()
        self._opened = opened
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave every subscription, wait for confirmations under way, and disconnect."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with anyio.CancelScope(shield=True):
                await opened.close()
            self._counted = opened.counters

    async def publish(self, message: SpaMessage) -> bool | None:
        """
        Publish; see :meth:`~spa_mqtt.publishing.Publisher.publish`.

        Raises:
            SocketClosedError: The socket is not open.
            PublishError: The message was not accepted.
        """
        return await self._open().publisher.publish(message)

    def subscribe(self, spec: SubscriptionSpec) -> AbstractAsyncContextManager[Subscription]:
        """
        Subscribe while the context is open.

        Raises:
            SocketClosedError: On entering: the socket is not open.
            ConnectError: On entering: not connected in time.
            SubscribeError: On entering: the broker refused.
        """
        return self._replying(spec) if spec.reply else self._subscribed(spec)

    async def check(self) -> None:
        """
        Prove that the broker answers on every connection.

        Raises:
            SocketClosedError: The socket is not open.
            DisconnectedError: There is no connection, or no answer within the ``connect_timeout``.
        """
        await checkpoint()
        link = self._open().link
        patience = self._config.connect_timeout
        with anyio.move_on_after(patience):
            await link.up().ping()
            return
        raise DisconnectedError(f"{link.where} did not answer within {patience:g} s")

    @asynccontextmanager
    async def _subscribed(self, spec: SubscriptionSpec) -> AsyncGenerator[MqttSubscription]:
        opened = self._open()
        subscription = MqttSubscription(self._config, spec, tls=opened.tls, on_change=opened.changed)
        await subscription.open()
        opened.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            with anyio.CancelScope(shield=True):
                await opened.leave(subscription)

    @asynccontextmanager
    async def _replying(self, spec: SubscriptionSpec) -> AsyncGenerator[ReplySubscription]:
        opened = self._open()
        subscription = ReplySubscription(spec)
        try:
            await opened.replies.add(subscription)
            yield subscription
        finally:
            await opened.replies.remove(subscription)

    def _open(self) -> OpenSocket:
        if self._opened is None:
            raise SocketClosedError("the socket is not open", hint="Use it inside 'async with'")
        return self._opened


def _check_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        hint = "Run the program with anyio.run(main) or asyncio.run(main())"
        failure = ConnectError("MQTT runs on asyncio only, and this event loop is another, such as trio's", hint=hint)
        failure.retriable = False
        raise failure from error
