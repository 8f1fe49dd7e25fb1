"""Who a scenario talks with over core: a socket that answers, and applications that run beside the scenario."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from spa_core._application.runner import Runner
from spa_core._discovery.plugins import Plugins
from spa_core._groups import collapsing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from spa_core import AbstractApplication, SocketProvider, SpaMessage, SpaSocket
    from spa_core.testing.kit import Kit

__all__ = ["answering", "echo", "running"]

Answer: TypeAlias = "Callable[[SpaSocket, SpaMessage], Awaitable[None]]"


async def echo(socket: SpaSocket, message: SpaMessage) -> None:
    """Answer with what was asked."""
    await socket.reply(message, message.payload)


@asynccontextmanager
async def answering(
    kit: Kit, topic: str, answer: Answer, *, provider: SocketProvider[Any] | None = None
) -> AsyncGenerator[SpaSocket]:
    """Give each message of *topic* to *answer*, one after the other, on a socket of its own."""

    async def serve() -> None:
        async for message in socket:
            await answer(socket, message)

    with collapsing():
        async with kit.spa_socket(provider) as socket, anyio.create_task_group() as tasks:
            await socket.subscribe(topic, group=kit.own_group())
            tasks.start_soon(serve)
            yield socket
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def running(kit: Kit, *applications: AbstractApplication, shutdown_timeout: float = 30) -> AsyncGenerator[Runner]:
    """
    Run applications, without installed plugins, from when all of them listen; they are drained at the end.

    Args:
        kit: The scenario's tools.
        *applications: The applications.
        shutdown_timeout: Seconds that their handlers get to finish.
    """
    runner = Runner(
        applications,
        plugins=Plugins(entry_points=lambda group: []),  # noqa: ARG005 - the group is asked for by its name
        shutdown_timeout=shutdown_timeout,
        handle_signals=False,
    )
    with collapsing():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runner.run)
            await kit.until(lambda: all(each.status == "running" for each in applications), "the applications run")
            yield runner
            runner.stop()
