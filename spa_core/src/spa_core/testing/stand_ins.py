"""
A provider that stands in for another: it declares what it is told to, and remembers what reaches the transport.

It changes nothing on the way, so that what a scenario sees is what core does over the transport under test.
"""

from __future__ import annotations

import copy
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from spa_core import SocketProvider, TransportConfig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from spa_core import SpaMessage
    from spa_core.transport import Capabilities, ConnectionListener, Subscription, SubscriptionSpec, TransportSocket

__all__ = ["StandIn"]


class StandIn(SocketProvider[TransportConfig]):
    """
    Stands in for *provider*; configurations changed here are the ones that sockets are opened with.

    Args:
        provider: The provider that opens the sockets.
        capabilities: What to declare; by default what *provider* does.

    Attributes:
        opened: How many sockets were made.
        published: What was given to the transport to publish.
        subscriptions: What the transport was asked to subscribe to.
    """

    def __init__(self, provider: SocketProvider[Any], capabilities: Capabilities | None = None) -> None:
        super().__init__(provider.config)
        self.codecs = provider.codecs
        self.envelope = provider.envelope
        # Class variables of the transport, here of this one provider.
        vars(self).update(reply_prefix=provider.reply_prefix, dead_letter_topic=provider.dead_letter_topic)
        self._provider = provider
        self._capabilities = capabilities or provider.capabilities
        self.opened: list[TransportSocket] = []
        self.published: list[SpaMessage] = []
        self.subscriptions: list[SubscriptionSpec] = []

    @property
    def capabilities(self) -> Capabilities:
        """What it was told to declare."""
        return self._capabilities

    def open(self, on_connection: ConnectionListener) -> TransportSocket:
        """Make a socket of the other provider, watched."""
        provider = copy.copy(self._provider)
        provider.config = self.config
        socket = _WatchedSocket(provider.open(on_connection), self)
        self.opened.append(socket)
        return socket


class _WatchedSocket:
    """A socket that tells its provider what it is asked for."""

    def __init__(self, socket: TransportSocket, watcher: StandIn) -> None:
        self._socket = socket
        self._watcher = watcher

    async def __aenter__(self) -> Self:
        self._socket = await self._socket.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._socket.__aexit__(exc_type, exc, traceback)

    async def publish(self, message: SpaMessage) -> bool | None:
        self._watcher.published.append(message)
        return await self._socket.publish(message)

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Subscription]:
        self._watcher.subscriptions.append(spec)
        async with self._socket.subscribe(spec) as subscription:
            yield subscription

    async def check(self) -> None:
        await self._socket.check()
