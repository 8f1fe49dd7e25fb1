"""
A provider that stands in for another: it declares what it is told to, and remembers what reaches the transport.

It changes nothing on the way, so that what a scenario sees is what core does over the transport under test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spa_core.testing.wrapping import WrappedProvider, WrappedSocket

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from spa_core import SocketProvider, SpaMessage
    from spa_core.transport import Capabilities, ConnectionListener, Subscription, SubscriptionSpec, TransportSocket

__all__ = ["StandIn"]


class StandIn(WrappedProvider):
    """
    Stands in for *wrapped*.

    Args:
        wrapped: The provider that opens the sockets.
        capabilities: What to declare; by default what *wrapped* does.

    Attributes:
        opened: The sockets that were made.
        published: What was given to the transport to publish.
        subscriptions: What the transport was asked to subscribe to.
    """

    def __init__(self, wrapped: SocketProvider[Any], capabilities: Capabilities | None = None) -> None:
        super().__init__(wrapped)
        self._capabilities = capabilities or wrapped.capabilities
        # Shared by the providers that are made of this one: an application changes the topics of its provider.
        self.opened: list[TransportSocket] = []
        self.published: list[SpaMessage] = []
        self.subscriptions: list[SubscriptionSpec] = []

    @property
    def capabilities(self) -> Capabilities:
        """What it was told to declare."""
        return self._capabilities

    def open(self, on_connection: ConnectionListener) -> TransportSocket:
        """Make a socket of the other provider, watched."""
        socket = _WatchedSocket(self.wrapped.open(on_connection), self)
        self.opened.append(socket)
        return socket


class _WatchedSocket(WrappedSocket):
    """A socket that tells its provider what it is asked for."""

    def __init__(self, transport: TransportSocket, watcher: StandIn) -> None:
        super().__init__(transport)
        self._watcher = watcher

    async def publish(self, message: SpaMessage) -> bool | None:
        self._watcher.published.append(message)
        return await self.transport.publish(message)

    def subscribe(self, spec: SubscriptionSpec) -> AbstractAsyncContextManager[Subscription]:
        self._watcher.subscriptions.append(spec)
        return self.transport.subscribe(spec)
