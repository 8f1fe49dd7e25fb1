"""Runs in memory: blocking starts, restarts, what a broker keeps between runs, and nothing left behind."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from spa_core import DistributedApplication, FailurePolicy, SocketProviderFactory, SpaMessage, SpaSocket
from spa_core.errors import HandlerFailedError

if TYPE_CHECKING:
    from tests.application.conftest import Eventually, Launch


class Body(msgspec.Struct, weakref=True):
    """A body that can be watched."""

    n: int


BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@BACKENDS
def test_start_blocks_until_the_producers_have_finished(memory: str, backend: str) -> None:
    """``start()`` returns when there is nothing left to do, and can be called again, on another event loop too."""
    app = DistributedApplication(memory)
    runs: list[str] = []

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        await socket.publish("nobody/listens", b"")
        runs.append(backend)

    app.start(backend=backend)
    app.start(backend=backend)
    app.start(backend="asyncio")

    assert len(runs) == 3
    assert app.ending == "finished"


@BACKENDS
def test_start_raises_what_a_handler_failed_with(memory: str, backend: str) -> None:
    """If a part fails for good ``start()`` raises that very error: a program does not go on deaf."""
    app = DistributedApplication(memory)

    @app.application("a", policy=FailurePolicy(attempts=1, then="stop"))
    async def handle() -> None:
        raise ZeroDivisionError

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        await socket.publish("a")

    with pytest.raises(HandlerFailedError) as caught:
        app.start(backend=backend)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert app.health().state == "failed"


@BACKENDS
def test_start_without_signals(memory: str, backend: str) -> None:
    """An embedding program may keep its own signal handlers."""
    app = DistributedApplication(memory)

    @app.application("a")
    async def handle() -> None:
        app.stop()

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        await socket.publish("a")

    app.start(backend=backend, handle_signals=False)

    assert app.ending == "drained"


@pytest.mark.anyio
async def test_what_was_cancelled_comes_to_the_next_run(memory: str, eventually: Eventually) -> None:
    """Messages whose handlers were cancelled at the deadline are delivered again to the next run of their group."""
    app = DistributedApplication(memory, shutdown_timeout=0.01)
    handled: list[bytes] = []
    stuck = True

    @app.application("a", group="g", concurrency=2)
    async def handle(message: SpaMessage) -> None:
        if stuck:
            await anyio.sleep_forever()
        handled.append(message.payload)

    async with SocketProviderFactory.from_url(memory).create_socket() as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.start_async)
            await eventually(lambda: app.health().state == "running")
            for number in range(5):
                await socket.publish("a", str(number))
            await eventually(lambda: app.health().applications[0].in_flight == 2)
            app.stop()

        assert app.ending == "timed-out"
        assert handled == []

        stuck = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.start_async)
            await eventually(lambda: len(handled) == 5)
            app.stop()

    assert sorted(handled) == [b"0", b"1", b"2", b"3", b"4"]
    assert app.ending == "drained"


@pytest.mark.anyio
async def test_a_restart_of_a_group_loses_nothing(memory: str, eventually: Eventually) -> None:
    """What is published while a group has no members waits for its next run; what was handled does not come again."""
    app = DistributedApplication(memory)
    handled: list[bytes] = []

    @app.application("a", group="g")
    async def handle(message: SpaMessage) -> None:
        handled.append(message.payload)

    async with SocketProviderFactory.from_url(memory).create_socket() as socket:
        for number in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(app.start_async)
                await eventually(lambda: app.health().state == "running")
                await socket.publish("a", f"{number} while it runs")
                await eventually(lambda number=number: len(handled) == 2 * number + 1)
                app.stop()
            await socket.publish("a", f"{number} meanwhile")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.start_async)
            await eventually(lambda: len(handled) == 6)
            app.stop()

    assert len(set(handled)) == 6


@pytest.mark.anyio
async def test_a_stop_with_the_message_unsettled_keeps_it(memory: str, eventually: Eventually) -> None:
    """Under ``then="stop"`` the message that failed is still there for the next start."""
    app = DistributedApplication(memory)
    healthy = False
    handled: list[int] = []

    @app.application("a", group="g", policy=FailurePolicy(attempts=1, then="stop"))
    async def handle() -> None:
        if not healthy:
            raise ValueError
        handled.append(1)
        app.stop()

    async with SocketProviderFactory.from_url(memory).create_socket() as socket, anyio.create_task_group() as tasks:

        async def publish() -> None:
            await eventually(lambda: app.health().state == "running")
            await socket.publish("a")

        tasks.start_soon(publish)
        with pytest.raises(HandlerFailedError):
            await app.start_async()
        healthy = True
        with anyio.fail_after(5):
            await app.start_async()

    assert handled == [1]


@pytest.mark.anyio
async def test_a_run_inside_a_handler_of_another(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Applications are independent: one may run another while it handles a message."""
    inner_ran: list[int] = []
    app = DistributedApplication(memory)

    @app.application("a")
    async def handle() -> None:
        inner = DistributedApplication(memory)

        @inner.producer()
        async def produce(socket: SpaSocket) -> None:
            await socket.publish("b")
            inner_ran.append(1)

        await inner.start_async(handle_signals=False)

    async with launch(app) as socket:
        await socket.publish("a")
        await eventually(lambda: inner_ran)


@pytest.mark.anyio
async def test_nothing_is_left_behind(memory: str, eventually: Eventually) -> None:
    """After many runs nothing keeps messages, sockets or handlers alive that ended with theirs."""
    app = DistributedApplication(memory)
    handled: list[weakref.ref[object]] = []

    @app.application("a", concurrency=2)
    async def handle(body: Body) -> None:
        handled.append(weakref.ref(body))

    for _ in range(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.start_async)
            await eventually(lambda: app.health().state == "running")
            async with SocketProviderFactory.from_url(memory).create_socket() as socket:
                before = len(handled)
                await socket.publish("a", {"n": 1})
                await eventually(lambda before=before: len(handled) > before)
            app.stop()
    gc.collect()

    assert [each for each in handled if each() is not None] == []
