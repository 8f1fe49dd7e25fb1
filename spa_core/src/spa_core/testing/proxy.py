"""
A TCP proxy that does on command what networks do by chance; for the suites of transports with real brokers.

It knows connections and bytes, and no protocol.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import anyio

from spa_core.errors import ConnectError
from spa_core.testing._door import LOOPBACK, Door
from spa_core.testing._link import Link, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from anyio.abc import TaskGroup

    from spa_core.testing._link import Address

__all__ = ["FaultProxy"]


class FaultProxy:
    """
    A proxy in front of a broker: an async context manager, forwarding from the moment it is entered.

    It passes bytes, the end of a connection and its reset on to the other side, and holds less than 300 KiB for each
    direction of a connection: a side that does not read is felt by the one that writes. The commands can be combined
    and repeated; :meth:`forward` undoes them. It needs real time.

    Args:
        host: The broker's host.
        port: The broker's port.
        listen: The port that clients connect to; 0 is a free one. For brokers that tell clients where to come, as
            Kafka's do: tell them to send clients to this port before the proxy is there.

    Attributes:
        host: Where clients connect to: the loopback address.
        port: The port they connect to, the same for the proxy's whole life.
        accepted: Connections accepted since the beginning, those closed at once included.

    Example:
        >>> async def survives_a_cut(broker_port: int) -> None:
        ...     async with FaultProxy("127.0.0.1", broker_port) as proxy:
        ...         ...  # connect a transport to proxy.host and proxy.port
        ...         await proxy.wait_for_connections(1)
        ...         await proxy.cut()
        ...         await proxy.wait_for_connections(1)  # it is back
    """

    def __init__(self, host: str, port: int, *, listen: int = 0) -> None:
        self.host = LOOPBACK
        self.port = listen
        self.accepted = 0
        self._broker = host, port
        self._addresses: Sequence[Address] = ()
        self._links: set[Link] = set()
        self._closes_newcomers = False
        self._wire = Wire()
        self._door: Door
        self._tasks: TaskGroup
        self._closing: AsyncExitStack
        self._changed: anyio.Event

    async def __aenter__(self) -> Self:
        """
        Begin to forward.

        Raises:
            ConnectError: The broker's host has no address, or somebody else has the port to listen on. Whether the
                broker listens is not tried.
        """
        host, port = self._broker
        try:
            self._addresses = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectError(f"host {host!r} of the broker behind the proxy has no address") from error
        self._changed = anyio.Event()
        async with AsyncExitStack() as stack:
            self._door = self._make_door()
            stack.callback(self._door.remove)
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            self._closing = stack.pop_all()
        self.port = self._door.port
        self._door.open(self._tasks)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Close all connections and the port."""
        self._tasks.cancel_scope.cancel()
        # The tasks inside have nothing to do with the caller's own error: it comes out as it is, not in a group.
        return await self._closing.__aexit__(None, None, None)

    def __repr__(self) -> str:
        host, port = self._broker
        return f"{type(self).__name__}({host!r}, {port})"

    @property
    def connections(self) -> int:
        """Live connections: a client's to the proxy with the proxy's to the broker."""
        return sum(link.live for link in self._links)

    @property
    def bytes_to_broker(self) -> int:
        """Bytes forwarded to the broker since the beginning."""
        return self._wire.forwarded["broker"]

    @property
    def bytes_to_client(self) -> int:
        """Bytes forwarded to clients since the beginning."""
        return self._wire.forwarded["client"]

    async def wait_for_connections(self, count: int) -> None:
        """Wait until at least *count* connections are live."""
        await self._until(lambda: self.connections >= count)

    async def wait_for_accepted(self, count: int) -> None:
        """Wait until at least *count* connections were accepted since the beginning, be they closed again or not."""
        await self._until(lambda: self.accepted >= count)

    async def cut(self) -> None:
        """Reset all connections there are, on both sides; what was under way is lost. New ones are forwarded."""
        links = list(self._links)
        for link in links:
            link.reset()
        for link in links:
            await link.over.wait()

    def stall(self) -> None:
        """Forward nothing in either direction, and keep all connections, new ones too."""
        self._wire.stall()

    def resume(self) -> None:
        """Forward again what was held up by :meth:`stall`; nothing of it is lost."""
        self._wire.resume()

    def half_open(self) -> None:
        """
        Let nothing of the broker's arrive any more on the connections there are, not even their end.

        What clients send still arrives at the broker. It is for the rest of the life of these connections, as bytes are
        missing from now on; new ones are forwarded.
        """
        for link in self._links:
            link.muted = True

    def delay(self, seconds: float) -> None:
        """Let bytes take *seconds* in each direction, those read from now on; bytes close together stay so."""
        self._wire.delay = seconds

    async def refuse(self) -> None:
        """Refuse new connections, as if nobody listened; live ones are kept."""
        await self._door.shut()

    def accept(self) -> None:
        """Take new connections again and forward them, after :meth:`refuse` or :meth:`accept_then_close`."""
        self._closes_newcomers = False
        self._door.open(self._tasks)

    def accept_then_close(self) -> None:
        """Accept new connections and close them at once; live ones are kept."""
        self._closes_newcomers = True
        self._door.open(self._tasks)

    def forward(self) -> None:
        """Undo all commands, but for what a connection has lost."""
        self.delay(0)
        self.resume()
        self.accept()

    def _make_door(self) -> Door:
        try:
            return Door(self._welcome, self.port)
        except OSError as error:
            raise ConnectError(f"port {self.port} cannot be had for the proxy: {error.strerror}") from error

    def _welcome(self, client: socket.socket) -> None:
        self.accepted += 1
        if self._closes_newcomers:
            client.close()
        else:
            link = Link(client, self._addresses, self._wire, on_change=self._change)
            self._links.add(link)
            self._tasks.start_soon(self._serve, link)
        self._change()

    async def _serve(self, link: Link) -> None:
        await link.run()
        self._links.remove(link)
        self._change()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
