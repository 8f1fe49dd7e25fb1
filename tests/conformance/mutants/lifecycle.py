"""Transports that get opening, closing and what they keep meanwhile wrong."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Self

import trio
from anyio.lowlevel import checkpoint

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.transport import ConnectionEvent

if TYPE_CHECKING:
    from types import TracebackType

    from spa_core.transport import ConnectionListener
    from spa_inmemory import MemorySocket


@caught_by("test_opening_and_closing_are_told")
class SaysConnectedTwice(Mutant):
    """A socket says that it is connected as soon as it is made."""

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        on_connection(ConnectionEvent(state="connected"))
        return super().open(on_connection)


@caught_by("test_health_follows_the_socket")
class IsAlwaysHealthy(Mutant):
    """A socket that is not open says that it is connected."""

    class Socket(base.Socket):
        async def check(self) -> None:
            await checkpoint()


@caught_by("test_leaving_again_does_nothing")
class ClosesTwice(Mutant):
    """Leaving a socket that was left is an error."""

    class Socket(base.Socket):
        async def __aexit__(
            self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
        ) -> None:
            self._opened()
            await super().__aexit__(exc_type, exc, traceback)


@caught_by("test_closing_one_socket_leaves_the_others")
class ClosesTheOthers(Mutant):
    """The first socket of a provider that closes takes the subscriptions of the others along."""

    def prepare(self) -> None:
        self.sockets: list[base.Socket] = []

    class Socket(base.Socket):
        async def __aenter__(self) -> Self:
            self.mutant.sockets.append(self)
            return await super().__aenter__()

        async def __aexit__(
            self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
        ) -> None:
            for socket in self.mutant.sockets:
                for subscription in tuple(socket._subscriptions):
                    subscription.close()
            await super().__aexit__(exc_type, exc, traceback)


@caught_by("test_a_cancelled_opening_leaves_nothing_behind")
class LeavesWhenCancelled(Mutant):
    """A socket that is cancelled while it opens has told of its connection, and never of the end."""

    class Socket(base.Socket):
        async def __aenter__(self) -> Self:
            await super().__aenter__()
            for _ in range(5):
                await checkpoint()
            return self


@caught_by("test_a_whole_life_leaves_nothing_open")
class LeaksATask(Mutant):
    """Each socket begins a task that nobody ends."""

    class Socket(base.Socket):
        async def __aenter__(self) -> Self:
            if trio.lowlevel.in_trio_run():
                trio.lowlevel.spawn_system_task(trio.sleep_forever)
            else:
                self.task = asyncio.create_task(asyncio.sleep(3600))
            return await super().__aenter__()


@caught_by("test_a_whole_life_leaves_nothing_open")
class LeaksADescriptor(Mutant):
    """Each socket opens a file that nobody closes before the provider goes."""

    def prepare(self) -> None:
        self.files: list[int] = []

    def __del__(self) -> None:
        for file in self.files:
            os.close(file)

    class Socket(base.Socket):
        async def __aenter__(self) -> Self:
            self.mutant.files.append(os.open(os.devnull, os.O_RDONLY))
            return await super().__aenter__()
