"""When nothing is left to run: on virtual time, where a day passes at once and waiting in vain is reported."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import anyio
import pytest

from spa_core import AbstractApplication, DistributedApplication, FailurePolicy, SpaMessage, SpaSocket
from spa_core._groups import sole_error
from spa_core.testing.clock import DeadlockError, virtual_time

pytestmark = pytest.mark.anyio

DAY = 24 * 60 * 60.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, on virtual time."""
    return request.param, virtual_time(request.param)


async def test_a_day_of_back_off() -> None:
    """A message that is handed back for a day is handled before ``settle()`` returns, at once and a day later."""
    app = DistributedApplication()
    policy = FailurePolicy(attempts=1, redeliver_after=(60, 60 * 60, DAY))

    @app.application("a", policy=policy)
    async def fail_thrice(socket: SpaSocket) -> None:
        if len(t.calls(fail_thrice)) <= 3:
            raise ValueError
        await socket.publish("b", "")

    started = time.monotonic()
    async with app.test() as t:
        await t.publish("a", "")
        await t.settle()

        assert t.published("b")
        assert anyio.current_time() >= DAY + 60 * 60 + 60
    assert time.monotonic() - started < 10


async def test_pauses_in_place() -> None:
    """Pauses between attempts are waited for."""
    app = DistributedApplication()

    @app.application("a", policy=FailurePolicy(attempts=4, backoff=DAY, max_backoff=DAY))
    async def fail() -> None:
        raise ValueError

    async with app.test(raise_errors=False) as t:
        await t.publish("a", "")
        await t.settle()

        assert len(t.calls(fail)) == 4
        assert [letter.headers["spa-dead-letter-attempts"] for letter in t.dead_letters] == ["4"]


async def test_producers_are_waited_for() -> None:
    """A producer that publishes now and then is waited for until it has ended, and its last message is handled."""
    app = DistributedApplication()

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        for number in range(24):
            await anyio.sleep(60 * 60)
            await socket.publish("a", number)

    @app.application("a")
    async def handle(number: int) -> None:
        await anyio.sleep(number)

    async with app.test() as t:
        await t.settle()

        assert [call.outcome for call in t.calls(handle)] == 24 * ["returned"]
        assert anyio.current_time() == DAY + 23


async def test_many_handlers() -> None:
    """Everything that handlers publish to each other is waited for, however many run at once."""
    app = DistributedApplication()

    @app.application("split/{depth}", concurrency=10)
    async def split(depth: int, socket: SpaSocket) -> None:
        await anyio.sleep(depth)
        for _ in range(2):
            await socket.publish(f"split/{depth - 1}" if depth else "done", "")

    async with app.test() as t:
        await t.publish("split/5", "")
        await t.settle()

        assert len(t.published("done")) == 2**6


async def test_requests_of_handlers() -> None:
    """A handler that asks another one is waited for, and both threads and coroutines are."""
    app = DistributedApplication()

    @app.application("half")
    def half(number: float) -> float:
        return number / 2

    @app.application("quarter")
    async def quarter(number: float, socket: SpaSocket) -> None:
        reply = await socket.request("half", number)
        await socket.publish("quartered", socket.decode(reply, float) / 2)

    async with app.test() as t:
        await t.publish("quarter", 10)
        await t.settle()

        assert [message.payload for message in t.published("quartered")] == [b"2.5"]


async def test_an_application_of_another_kind() -> None:
    """What a subclass takes from its socket by itself is waited for too, its run is not."""

    class Listener(AbstractApplication):
        async def run_async(self) -> None:
            assert self.socket is not None
            await self.socket.subscribe("a")
            async for message in self.socket:
                await anyio.sleep(DAY)
                await self.socket.publish("b", message.payload)

    app = DistributedApplication("memory://nobody?topics=a")
    assert app.default_socket_provider is not None
    app.applications.append(Listener(partial(print), app.default_socket_provider, client_name="listener"))

    async with app.test() as t:
        await t.publish("a", "")
        await t.settle()

        assert t.published("b")


async def test_expired_messages() -> None:
    """A message that expires while it waits for a busy handler is not waited for."""
    app = DistributedApplication()

    @app.application("a")
    async def handle(message: SpaMessage) -> None:  # noqa: ARG001 - it takes its time
        await anyio.sleep(60)

    app.default_socket_provider = None
    app.use_provider("memory://nobody?prefetch=1")
    async with app.test() as t:
        await t.publish("a", "")
        await t.publish("a", "", ttl=1)
        await t.settle()

        assert len(t.calls(handle)) == 1


async def test_nothing_to_do() -> None:
    """Where nothing happens ``settle()`` returns at once, as often as it is called."""
    app = DistributedApplication()

    @app.application("a")
    async def handle() -> None: ...

    async with app.test() as t:
        await t.settle()
        await t.settle()

        assert anyio.current_time() == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_deadlock(backend: str) -> None:
    """A handler that waits for what never happens is reported with the place where it waits, instead of a hang."""
    app = DistributedApplication()

    @app.application("a")
    async def wait_forever() -> None:
        await anyio.Event().wait()

    async def test() -> None:
        async with app.test() as t:
            await t.publish("a", "")
            await t.settle()

    with pytest.raises((DeadlockError, ExceptionGroup)) as caught:
        anyio.run(test, backend=backend, backend_options=virtual_time(backend))

    error = sole_error(caught.value)
    assert isinstance(error, DeadlockError)
    assert any("wait_forever" in task for task in error.tasks)
