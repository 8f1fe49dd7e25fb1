"""
One connection through a proxy: two sockets, and bytes that are held up, delayed or dropped between them.

Plain sockets and not streams, since only they can be reset: a stream says goodbye first.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

Address: TypeAlias = tuple[Any, ...]
Chunk: TypeAlias = tuple[float, bytes | None]  # when to pass it on, and what; nothing is the end, None a reset
Side: TypeAlias = Literal["broker", "client"]

_CHUNK: Final = 16 * 1024  # bytes
_CHUNKS: Final = 16  # under way in one direction
# Closing then discards what was not sent yet and resets the connection.
_NO_LINGER: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Wire:
    """
    What becomes of the bytes on all connections of one proxy.

    Attributes:
        delay: Seconds that bytes take.
        forwarded: How many bytes were passed on, to either side.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.forwarded: dict[Side, int] = {"broker": 0, "client": 0}
        self._resumed: anyio.Event | None = None

    def stall(self) -> None:
        """Pass nothing on from now."""
        self._resumed = self._resumed or anyio.Event()

    def resume(self) -> None:
        """Pass everything on from now."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    async def until_flowing(self) -> None:
        """Wait while stalled."""
        while self._resumed is not None:
            await self._resumed.wait()


class Link:
    """
    A client's connection, and the one made to the broker for it.

    What one side does to its connection, closing or resetting it, is done to the other side's.

    Args:
        client: The client's socket, non-blocking; closed at the end.
        broker: Where the broker listens, as resolved addresses.
        wire: What becomes of the bytes.
        on_change: Called when the link comes to life.

    Attributes:
        live: Whether both connections are made.
        muted: Whether the client gets nothing of the broker any more, not even the end of the connection.
        over: Set when both connections are closed.
    """

    def __init__(
        self, client: socket.socket, broker: Sequence[Address], wire: Wire, *, on_change: Callable[[], None]
    ) -> None:
        self.live = False
        self.muted = False
        self.over = anyio.Event()
        self._client = client
        self._addresses = broker
        self._sockets = [client]
        self._wire = wire
        self._on_change = on_change
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Carry bytes until both sides have closed, or it is reset."""
        try:
            with self._scope:
                await self._connect()
        finally:
            for each in self._sockets:
                each.close()
            self.live = False
            self.over.set()

    def reset(self) -> None:
        """End both connections abruptly; they are reset when ``over`` is set."""
        self._set(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._scope.cancel()

    def _set(self, level: int, option: int, value: int | bytes) -> None:
        for each in self._sockets:
            with suppress(OSError):  # some systems refuse it for a connection that has ended
                each.setsockopt(level, option, value)

    async def _connect(self) -> None:
        broker = await _dial(self._addresses)
        if broker is None:
            self.reset()  # what comes closest to a refusal
            return
        self._sockets.append(broker)
        self._set(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.live = True
        self._on_change()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._carry, self._client, broker, "broker")
            tasks.start_soon(self._carry, broker, self._client, "client")

    async def _carry(self, source: socket.socket, target: socket.socket, side: Side) -> None:
        begin, end = anyio.create_memory_object_stream[Chunk](_CHUNKS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, source, begin)
            await self._write(target, end, side)

    async def _read(self, source: socket.socket, chunks: MemoryObjectSendStream[Chunk]) -> None:
        data: bytes | None = b"the first"
        with chunks:
            while data:
                data = await _received(source)
                await chunks.send((anyio.current_time() + self._wire.delay, data))

    async def _write(self, target: socket.socket, chunks: MemoryObjectReceiveStream[Chunk], side: Side) -> None:
        with chunks:
            async for due, data in chunks:
                await anyio.sleep_until(due)
                await self._wire.until_flowing()
                if data:
                    await self._send(target, data, side)
                elif not self._drops(side):
                    self._end(target, data)

    async def _send(self, target: socket.socket, data: bytes, side: Side) -> None:
        rest = memoryview(data)
        while rest and not self._drops(side):
            try:
                sent = target.send(rest)
            except BlockingIOError:
                await anyio.wait_writable(target)
                await self._wire.until_flowing()
            except OSError:
                if not self.muted:  # a client that is half open does not learn that the broker is gone
                    self.reset()
                return
            else:
                self._wire.forwarded[side] += sent
                rest = rest[sent:]

    def _end(self, target: socket.socket, data: bytes | None) -> None:
        if data is None:
            self.reset()
        else:
            with suppress(OSError):  # reset meanwhile, as the other direction will see
                target.shutdown(socket.SHUT_WR)

    def _drops(self, side: Side) -> bool:
        return self.muted and side == "client"


async def _received(source: socket.socket) -> bytes | None:
    """Return the next bytes, none at the end, or ``None`` if the connection was reset."""
    while True:
        try:
            return source.recv(_CHUNK)
        except BlockingIOError:
            await anyio.wait_readable(source)
        except OSError:
            return None


async def _dial(addresses: Sequence[Address]) -> socket.socket | None:
    """Connect to the first address that answers."""
    for family, kind, protocol, _, address in addresses:
        with suppress(OSError), ExitStack() as undo:
            dialled = undo.enter_context(socket.socket(family, kind, protocol))
            dialled.settimeout(0)
            with suppress(BlockingIOError):
                dialled.connect(address)
            await anyio.wait_writable(dialled)
            if dialled.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                undo.pop_all()
                return dialled
    return None
