"""Everything that is published through a provider, in order, as its publishers meant it; fails and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spa_core.testing.wrapping import WrappedProvider, WrappedSocket

if TYPE_CHECKING:
    from spa_core import SocketProvider
    from spa_core.envelopes import Envelope
    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionListener, TransportSocket


class RecordingProvider(WrappedProvider):
    """
    A provider that keeps a list of what its sockets publish; those made of it share the list.

    Attributes:
        published: The messages, out of their envelope; those that were not accepted are not among them.
    """

    def __init__(self, wrapped: SocketProvider[Any]) -> None:
        super().__init__(wrapped)
        self.published: list[SpaMessage] = []

    def open(self, on_connection: ConnectionListener) -> _RecordingSocket:
        """Make a socket that records."""
        return _RecordingSocket(self.wrapped.open(on_connection), self.published, self.envelope)


class _RecordingSocket(WrappedSocket):
    def __init__(self, transport: TransportSocket, published: list[SpaMessage], envelope: Envelope | None) -> None:
        super().__init__(transport)
        self._published = published
        self._envelope = envelope

    async def publish(self, message: SpaMessage) -> bool | None:
        sent = message if self._envelope is None else self._envelope.unwrap(message)
        # Noted before it is sent: whoever gets it may have published what comes of it when this call returns.
        self._published.append(sent)
        try:
            return await self.transport.publish(message)
        except BaseException:
            self._published.remove(sent)
            raise
