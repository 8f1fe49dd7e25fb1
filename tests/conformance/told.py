"""Transports with a secret, for a place where nobody is, and refused; all but one of each get something wrong."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Self

import anyio

from spa_core import Secret
from spa_core.errors import AuthenticationError, ConnectError, TransportError
from spa_core.testing.wrapping import WrappedProvider, WrappedSocket
from spa_inmemory import MemoryConfig, MemorySocket, MemorySocketProvider

if TYPE_CHECKING:
    from spa_core.transport import ConnectionListener, TransportSocket

__all__ = [
    "INDISCREET",
    "LEFT_OPEN",
    "LENIENT",
    "MISLEADING",
    "UNTIDY",
    "Discreet",
    "Nowhere",
    "Refusing",
    "TokenConfig",
]

_logger = logging.getLogger("spa_kit_test")

LEFT_OPEN: list[socket.socket] = []
"""What a broken transport has left open."""


class TokenConfig(MemoryConfig, frozen=True):
    """A configuration with a secret."""

    token: Secret = Secret("hunter2!")


class Discreet(MemorySocketProvider):
    """Keeps its secret."""

    config: TokenConfig


class LogsItsToken(Discreet):
    """Writes its secret into the log for those who debug."""

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        _logger.debug("opening with %s", self.config.token.reveal())
        return super().open(on_connection)


class DescribesItsToken(Discreet):
    """Says its secret to whoever asks what it is."""

    def describe(self) -> str:
        return f"broker with token {self.config.token.reveal()}"


class ShowsItsToken(Discreet):
    """Has sockets that show the secret."""

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        token = self.config.token.reveal()

        class Showing(MemorySocket):
            def __repr__(self) -> str:
                return f"<socket with {token}>"

        return Showing(self.config, on_connection)


class Nowhere(WrappedProvider):
    """Connects to a port where nothing listens."""

    def open(self, on_connection: ConnectionListener) -> TransportSocket:
        """Make a socket that cannot be entered."""
        return self.Socket(self.wrapped.open(on_connection))

    class Socket(WrappedSocket):
        """Tells of the driver's error as a transport has to."""

        async def __aenter__(self) -> Self:
            try:
                await self.connect()
            except OSError as error:
                raise ConnectError("nobody is there") from error
            return await super().__aenter__()

        async def connect(self) -> None:
            """Do what the driver does."""
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))  # taken, and not listening
                async with await anyio.connect_tcp(*listener.getsockname()):
                    raise AssertionError("somebody is there")


class Refusing(Nowhere):
    """Is told by its broker that the credentials are wrong."""

    class Socket(WrappedSocket):
        """Says so as a transport has to."""

        async def __aenter__(self) -> Self:
            raise AuthenticationError("the broker refused the credentials") from PermissionError("bad password")


class TakesTheRefusalForAnOutage(Refusing):
    """Says that trying again may help."""

    class Socket(Refusing.Socket):
        async def __aenter__(self) -> Self:
            raise ConnectError("no connection") from PermissionError("bad password")


class BlamesItself(Refusing):
    """Gives an error of our own for what the driver said."""

    class Socket(Refusing.Socket):
        async def __aenter__(self) -> Self:
            raise AuthenticationError("the broker refused the credentials") from ConnectError("no connection")


class OpensAllTheSame(Refusing):
    """Is open although it was refused."""

    class Socket(Refusing.Socket):
        async def __aenter__(self) -> Self:
            return self


class RaisesWhatItsDriverRaises(Nowhere):
    """Lets the driver's error out."""

    class Socket(Nowhere.Socket):
        async def __aenter__(self) -> Self:
            await self.connect()
            return self


class ForgetsTheCause(Nowhere):
    """Raises an error of SPA's without the driver's."""

    class Socket(Nowhere.Socket):
        async def __aenter__(self) -> Self:
            raise ConnectError("nobody is there")


class LeavesADescriptor(Nowhere):
    """Does not close what it had opened."""

    class Socket(Nowhere.Socket):
        async def __aenter__(self) -> Self:
            self.left = socket.socket()
            LEFT_OPEN.append(self.left)
            return await super().__aenter__()


class SaysConnected(Nowhere):
    """Is open although nobody is there."""

    class Socket(Nowhere.Socket):
        async def __aenter__(self) -> Self:
            return self


class RaisesAnyError(Nowhere):
    """Does not say that it was the connecting that failed."""

    class Socket(Nowhere.Socket):
        async def __aenter__(self) -> Self:
            raise TransportError("something went wrong")


INDISCREET = (LogsItsToken, DescribesItsToken, ShowsItsToken)
UNTIDY = (ForgetsTheCause, LeavesADescriptor)
LENIENT = (TakesTheRefusalForAnOutage, BlamesItself, OpensAllTheSame)
MISLEADING = (RaisesWhatItsDriverRaises, SaysConnected, RaisesAnyError)
