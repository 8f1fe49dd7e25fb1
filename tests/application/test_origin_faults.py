"""The faults of the origin that show without a broker, each proved gone: those of applications."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import spa_core.message
from spa_core import AbstractApplication, DistributedApplication, FailurePolicy, SpaMessage, SpaSocket
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.anyio

URL = "memory://origin"
CONFIG = MemoryConfig(name="origin")
NORTH, SOUTH = "plants/north", "plants/south"


@pytest.fixture
def provider() -> MemorySocketProvider:
    """Return a provider without default topics."""
    return MemorySocketProvider(CONFIG)


async def run(app: DistributedApplication | AbstractApplication) -> None:
    """Run an application to its end."""
    with anyio.fail_after(5):
        await app.start_async()


async def test_topics_are_not_deleted(provider: MemorySocketProvider) -> None:
    """What an application listened to is still there for others when it has ended; the origin deleted it (Kafka)."""
    app = DistributedApplication(provider)

    @app.application(NORTH)
    async def consumer(message: SpaMessage) -> None: ...

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(NORTH, "kept", retain=True)
        app.stop()

    async with provider.create_socket() as other:
        await other.subscribe(NORTH)
        await run(app)
        await other.publish(NORTH, "later")
        messages = aiter(other)
        received = [(await anext(messages)).payload, (await anext(messages)).payload]
        async with provider.rebuild(topics=NORTH).create_socket() as newcomer:
            kept = await anext(aiter(newcomer))

    assert received == [b"kept", b"later"]
    assert kept.payload == b"kept"


async def test_decorators_do_not_share_topics(provider: MemorySocketProvider) -> None:
    """Each application listens to its own topics; in 0.2 all of them listened to those of the last decorator."""
    app = DistributedApplication(provider)
    received: list[tuple[str, str]] = []

    @app.application(NORTH)
    async def north(message: SpaMessage) -> None:
        received.append(("north", message.topic))

    @app.application(SOUTH)
    async def south(message: SpaMessage) -> None:
        received.append(("south", message.topic))
        app.stop()

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(NORTH, "1")
        await socket.publish(SOUTH, "2")

    await run(app)

    assert sorted(received) == [("north", NORTH), ("south", SOUTH)]
    assert provider.config == CONFIG


async def test_resources_are_entered(provider: MemorySocketProvider) -> None:
    """Resources are entered in order, their values injected, and left in reverse when the callback fails."""
    steps: list[str] = []

    @contextmanager
    def meter() -> Iterator[int]:
        steps.append("meter in")
        yield 1
        steps.append("meter out")

    @asynccontextmanager
    async def database() -> AsyncIterator[int]:
        steps.append("database in")
        try:
            yield 2
        finally:
            steps.append("database out")

    app = DistributedApplication(provider)

    @app.producer(ressources={"database": database(), "meter": meter})
    async def producer(meter: int, database: int) -> None:
        steps.append(f"called with {meter}, {database}")

    await run(app)

    assert steps == ["database in", "meter in", "called with 1, 2", "meter out", "database out"]


async def test_bad_message_does_not_stop_the_reader(provider: MemorySocketProvider) -> None:
    """After a message that cannot be decoded and one whose handler fails, the next one is handled."""
    app = DistributedApplication(provider)
    received: list[int] = []
    letters: list[bytes] = []

    @app.application(NORTH, policy=FailurePolicy(attempts=1))
    async def consumer(body: int) -> None:
        received.append(body)
        stop_when_done()
        if body == 1:
            raise LookupError("no such plant")

    @app.application("dead-letters/#")
    async def undertaker(message: SpaMessage) -> None:
        letters.append(message.payload)
        stop_when_done()

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        for payload in ("{", "1", "2"):
            await socket.publish(SpaMessage(payload=payload, topic=NORTH))

    def stop_when_done() -> None:
        if len(received) == len(letters) == 2:
            app.stop()

    await run(app)

    assert received == [1, 2]
    assert letters == [b"{", b"1"]


async def test_consumer_before_its_topic(provider: MemorySocketProvider) -> None:
    """A consumer of a topic that nobody has used yet starts, and gets what is published there first."""
    app = DistributedApplication(provider)
    received: list[bytes] = []

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(SpaMessage(payload="first", topic=NORTH))

    @app.application(NORTH)
    async def consumer(message: SpaMessage) -> None:
        received.append(message.payload)
        app.stop()

    await run(app)

    assert received == [b"first"]


def started_app(callback: Callable[..., Any]) -> None:
    """Start a distributed application with one producer."""
    app = DistributedApplication(URL)
    app.producer()(callback)
    app.start()


def started_alone(callback: Callable[..., Any]) -> None:
    """Start an application of its own, which the origin did in debug mode."""

    class Once(AbstractApplication):
        async def run_async(self) -> None:
            await self.callback()

    Once(callback, MemorySocketProvider(CONFIG)).start()


@pytest.mark.parametrize("start", [started_app, started_alone])
def test_start_is_not_in_debug_mode(start: Callable[[Callable[..., Any]], None]) -> None:
    """``start()`` leaves asyncio's debug mode to whoever runs Python."""
    debug: list[bool] = []

    async def callback() -> None:
        debug.append(asyncio.get_running_loop().get_debug())

    start(callback)

    assert debug == [sys.flags.dev_mode]


@pytest.mark.skipif(sys.platform == "win32", reason="event loops on Windows take no signal handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_drains(number: signal.Signals, provider: MemorySocketProvider) -> None:
    """A signal lets the running handler finish and closes everything then; the origin broke off in the middle."""
    app = DistributedApplication(provider)
    steps: list[str] = []

    @app.application(NORTH)
    async def consumer(message: SpaMessage) -> None:
        steps.append(f"begins {message.payload.decode()}")
        signal.raise_signal(number)
        await anyio.wait_all_tasks_blocked()
        steps.append(f"ends {message.payload.decode()}")

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(SpaMessage(payload="1", topic=NORTH))

    await run(app)

    assert steps == ["begins 1", "ends 1"]
    assert app.ending == "drained"


async def test_failure_ends_all(provider: MemorySocketProvider) -> None:
    """When one part fails for good the others are closed; in the origin they went on, awaited by nobody."""
    app = DistributedApplication(provider)

    @app.application(NORTH)
    async def consumer(message: SpaMessage) -> None: ...

    @app.producer()
    async def producer() -> None:
        raise LookupError("no such plant")

    with pytest.raises(LookupError, match="no such plant"):
        await run(app)

    assert [application.status for application in app.applications] == ["stopped", "failed"]


async def test_client_ids_differ(provider: MemorySocketProvider) -> None:
    """Applications of one program, and starts of one application, have client ids of their own."""
    ids: list[str] = []
    app = DistributedApplication(provider)

    @app.producer()
    async def first(socket: SpaSocket) -> None:
        ids.append(socket.client_id)

    @app.producer()
    async def second(socket: SpaSocket) -> None:
        ids.append(socket.client_id)

    await run(app)
    await run(app)

    assert len(set(ids)) == 4


def test_timestamp_is_the_message_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages made at different times say so, however they are made; in the origin all had the time of the import."""
    now = 1_690_000_000_000_000_000
    monkeypatch.setattr(spa_core.message.time, "time_ns", lambda: now)
    first = [SpaMessage(payload="", topic=NORTH), SpaMessage.build(NORTH, "")]
    now += 1_500_000_000
    second = [SpaMessage(payload="", topic=NORTH), SpaMessage.build(NORTH, "")]

    assert [message.timestamp for message in first] == [1_690_000_000.0] * 2
    assert [message.timestamp for message in second] == [1_690_000_001.5] * 2
