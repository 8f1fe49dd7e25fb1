"""
Opening the way to a broker: name, address, TLS; gives a connected socket and knows no packet.

All of it waits on the event loop, so that a cancellation ends it at once and leaves nothing open.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from spa_core.url import Host

__all__ = ["dial", "dial_unix", "encrypted"]


async def dial(host: Host, *, nodelay: bool, seconds: float) -> socket.socket:
    """
    Return a socket connected to *host*, trying each of its addresses in turn.

    Args:
        host: The name or address, and the port.
        nodelay: Whether small packets are sent at once.
        seconds: The time for all addresses together, in equal parts: one that answers nothing, as one of IPv6 may on a
            network without it, leaves time for the next.

    Raises:
        OSError: The name is not known, or no address could be connected to; the last address's error.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError(errno.ETIMEDOUT, "no answer")
    for family, kind, protocol, _, address in addresses:
        connected: socket.socket | None = None
        try:
            with anyio.move_on_after(seconds / len(addresses)):
                connected = await _connected(socket.socket(family, kind, protocol), address)
        except OSError as error:
            failure = error
        if connected is None:
            continue
        if nodelay:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    raise failure


async def dial_unix(path: str) -> socket.socket:
    """
    Return a socket connected to the unix socket at *path*.

    Raises:
        OSError: There is none, or nobody listens.
    """
    return await _connected(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


async def encrypted(raw: socket.socket, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    """
    Return *raw* with TLS on it, the broker verified as *context* says; on failure it is closed.

    Raises:
        ssl.SSLError: The broker is not who it should be, or speaks no TLS.
        OSError: The connection ended.
    """
    wrapped = raw  # until wrap_socket has taken the descriptor over
    try:
        wrapped = context.wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)
        while True:
            try:
                wrapped.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(wrapped, writing=False)
            except ssl.SSLWantWriteError:
                await _ready(wrapped, writing=True)
            else:
                return wrapped
    except BaseException:
        wrapped.close()
        raise


async def _connected(fresh: socket.socket, address: object) -> socket.socket:
    try:
        fresh.setblocking(False)  # noqa: FBT003 - the standard library's own
        await asyncio.get_running_loop().sock_connect(fresh, address)  # type: ignore[arg-type]  # of any family
    except BaseException:
        fresh.close()
        raise
    return fresh


async def _ready(waiting: socket.socket, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(waiting.fileno(), wake)
    try:
        await ready
    finally:
        remove(waiting.fileno())
