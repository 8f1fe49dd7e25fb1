"""A port of this machine that is opened to newcomers and shut again; knows nothing of what they come for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

LOOPBACK: Final = "127.0.0.1"

TASK: Final = "the door of a fault proxy"
"""The name of the task that watches for newcomers."""

_doors: WeakSet[Door] = WeakSet()


def door_descriptors() -> set[int]:
    """Return the descriptors of all doors, which change whenever one is shut."""
    return {door.descriptor for door in _doors}


class Door:
    """
    A loopback port, shut at first. Shut, it is kept all the same: nobody else gets it, and nobody is answered.

    Args:
        welcome: Called with the socket of each newcomer, which is non-blocking.
        port: The number of the port; 0 is a free one.

    Raises:
        OSError: Somebody else has the port.

    Attributes:
        port: The number of the port, the same as long as there is the door.
    """

    def __init__(self, welcome: Callable[[socket.socket], None], port: int = 0) -> None:
        self._welcome = welcome
        self._socket = _bound(port)
        self._watch: _Watch | None = None
        self.port: int = self._socket.getsockname()[1]
        _doors.add(self)

    @property
    def descriptor(self) -> int:
        """The descriptor that keeps the port; -1 once the door is removed."""
        return self._socket.fileno()

    def open(self, tasks: TaskGroup) -> None:
        """Let newcomers in from now on; *tasks* is where they are watched for."""
        if self._watch is None:
            self._socket.listen()
            self._watch = _Watch()
            tasks.start_soon(self._keep, self._watch, name=TASK)

    async def shut(self) -> None:
        """Refuse newcomers; when this returns, nobody gets in any more."""
        if self._watch is not None:
            self._watch.scope.cancel()
            await self._watch.over.wait()

    def remove(self) -> None:
        """Give the port back; to be called when the tasks are over."""
        self._socket.close()

    async def _keep(self, watch: _Watch) -> None:
        try:
            with watch.scope:
                while True:
                    try:
                        newcomer, _ = self._socket.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        await anyio.wait_readable(self._socket)
                    else:
                        newcomer.settimeout(0)
                        self._welcome(newcomer)
        finally:
            self._socket.close()
            self._socket = _bound(self.port)
            self._watch = None
            watch.over.set()


class _Watch:
    """One time of being open."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.over = anyio.Event()


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.settimeout(0)
    # Without it, the connections that are left of an earlier opening would keep the port from us.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    return listener
