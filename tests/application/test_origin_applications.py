"""The rows of the origin's interface about application classes, subclassed as the origin's users did."""
# ruff: noqa: D102 - subclasses of the origin look like this

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import (
    AbstractApplication,
    ApplicationLifeCycle,
    ConsumerApplication,
    DistributedApplication,
    ProducerApplication,
    SpaMessage,
    SpaSocket,
)
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.anyio

TOPIC = "plants/north"

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
"""For programs that use an ``asyncio.Queue``, as the origin's own did."""


@pytest.fixture
def provider() -> MemorySocketProvider:
    """Return a provider with one default topic."""
    return MemorySocketProvider(MemoryConfig(name="origin", default_subscription_topics=TOPIC))


async def nothing(**_: Any) -> None:
    """Do nothing, as a callback that is not called."""


async def run(app: DistributedApplication) -> None:
    """Run an application that stops itself."""
    with anyio.fail_after(5):
        await app.start_async()


class Once(AbstractApplication):
    """Calls its callback once by itself, as a subclass of the origin did."""

    async def run_async(self) -> None:
        await self.callback(
            socket=self.socket, message_builder=self.message_builder, state=self.state, **self.ressources
        )


def builder(**fields: Any) -> SpaMessage:
    """Build a message as the origin's 0.4 does."""
    return SpaMessage.build(**fields)


SHAPES: dict[str, Callable[[type[AbstractApplication], Callable[..., Any], Any], AbstractApplication]] = {
    "0.3": lambda kind, call, provider: kind(call, provider, 7, {"meter": 1}),
    "0.4": lambda kind, call, provider: kind(call, provider, builder, 7, {"meter": 1}),
    "by name": lambda kind, call, provider: kind(
        async_callback=call, socket_provider=provider, message_builder=builder, state=7, ressources={"meter": 1}
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [AbstractApplication, ConsumerApplication, ProducerApplication])
def test_abstract_application(kind: type[AbstractApplication], shape: str, provider: MemorySocketProvider) -> None:
    """All three classes are made in both call shapes and have the origin's attributes."""
    application = SHAPES[shape](kind, nothing, provider)

    assert application.callback is nothing
    assert isinstance(application.socket_provider, MemorySocketProvider)
    assert application.state == 7
    assert application.ressources == {"meter": 1}
    assert application.socket is None
    assert (application.message_builder is builder) is (shape != "0.3")


def test_application_life_cycle(provider: MemorySocketProvider) -> None:
    """Every application class has the five methods of ``ApplicationLifeCycle``."""
    for kind in (AbstractApplication, ConsumerApplication, ProducerApplication):
        assert isinstance(kind(nothing, provider), ApplicationLifeCycle)
        assert inspect.iscoroutinefunction(kind.start_async)
        assert inspect.iscoroutinefunction(kind.run_async)


async def test_life_cycle_order(provider: MemorySocketProvider) -> None:
    """The order is setup, socket, resources, run_async, teardown, exit; ``super()`` works in setup and teardown."""
    steps: list[str] = []

    class Told(AbstractApplication):
        def setup(self) -> None:
            super().setup()
            self.note("setup")

        async def run_async(self) -> None:
            self.note("run_async")

        def teardown(self) -> None:
            super().teardown()
            self.note("teardown")

        def note(self, step: str) -> None:
            assert self.socket is not None
            steps.append(f"{step} {'connected' if self.socket.connected else 'apart'}")

    @contextmanager
    def resource() -> Iterator[None]:
        application.note("enter")
        yield
        application.note("exit")

    application = Told(nothing, provider, ressources={"meter": resource()})
    await application.start_async()
    application.note("end")

    assert steps == [
        "setup apart",
        "enter connected",
        "run_async connected",
        "teardown connected",
        "exit connected",
        "end apart",
    ]


def test_start(provider: MemorySocketProvider) -> None:
    """``start()`` of a single application blocks until it ends."""
    calls: list[dict[str, Any]] = []

    async def callback(**given: Any) -> None:
        calls.append(given)

    application = Once(callback, provider, 7)
    application.start()

    assert [call["state"] for call in calls] == [7]


async def test_attributes_while_running(provider: MemorySocketProvider) -> None:
    """An overriding run_async hands on ``self.ressources``: the entered values, which the origin never had."""

    @asynccontextmanager
    async def connected() -> AsyncIterator[str]:
        yield "connection"

    seen: dict[str, Any] = {}

    async def callback(**given: Any) -> None:
        seen.update(given)

    manager = connected()
    application = Once(callback, provider, builder, 7, {"database": manager})
    before = application.ressources
    await application.start_async()

    assert before == application.ressources == {"database": manager}
    assert seen == {"database": "connection", "state": 7, "message_builder": builder, "socket": application.socket}


async def test_attributes_are_set_in_setup(provider: MemorySocketProvider) -> None:
    """A subclass may set ``state``, ``ressources`` and ``message_builder`` in setup, as in the origin."""

    class Prepared(Once):
        def setup(self) -> None:
            super().setup()
            self.state = 8
            self.ressources = {"meter": 2}
            self.message_builder = builder

    seen: dict[str, Any] = {}

    async def callback(**given: Any) -> None:
        seen.update(given)

    await Prepared(callback, provider).start_async()

    assert (seen["state"], seen["meter"], seen["message_builder"]) == (8, 2, builder)


class OwnQueue:
    """Replaces the socket by one with a queue and reads that, as the origin's own ConsumerApplication did."""

    def setup(self) -> None:
        super().setup()
        self._queue_in: asyncio.Queue[SpaMessage] = asyncio.Queue()
        self.socket = self.socket_provider.create_socket(self._queue_in)

    async def run_async(self) -> None:
        while True:
            message = await self._queue_in.get()
            await self.callback(
                message=message,
                socket=self.socket,
                message_builder=self.message_builder,
                state=self.state,
                **self.ressources,
            )


class OwnQueueOfAbstract(OwnQueue, AbstractApplication):
    """Derived from the abstract class, as the origin's was."""


class OwnQueueOfConsumer(OwnQueue, ConsumerApplication):
    """Derived from the class that reads messages itself."""


@on_asyncio
@pytest.mark.parametrize("kind", [OwnQueueOfAbstract, OwnQueueOfConsumer])
async def test_subclass_with_a_queue(kind: type[AbstractApplication], provider: MemorySocketProvider) -> None:
    """A subclass that reads a queue of its own gets every message, and ends at once when the application is stopped."""
    app = DistributedApplication(provider)
    received: list[bytes] = []

    async def callback(message: SpaMessage, socket: SpaSocket, state: int, **given: Any) -> None:
        received.append(message.payload)
        if len(received) == 3:
            assert (socket.connected, state, list(given)) == (True, 7, ["message_builder"])
            app.stop()

    app.applications.append(kind(callback, provider, 7))

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        for number in range(3):
            await socket.publish(SpaMessage(payload=str(number), topic=TOPIC))

    await run(app)

    assert received == [b"0", b"1", b"2"]
    assert app.ending == "drained"


async def test_subclass_that_iterates(provider: MemorySocketProvider) -> None:
    """A subclass may read its socket in run_async, message by message, until it ends by itself."""

    class First(AbstractApplication):
        async def run_async(self) -> None:
            assert self.socket is not None
            async for message in self.socket:
                await self.callback(message=message)
                return

    received: list[bytes] = []

    async def callback(message: SpaMessage) -> None:
        received.append(message.payload)

    app = DistributedApplication(provider)
    app.applications.append(First(callback, provider))

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(SpaMessage(payload="100.6", topic=TOPIC))

    await run(app)

    assert received == [b"100.6"]
    assert app.ending == "finished"


async def test_subclass_of_consumer(provider: MemorySocketProvider) -> None:
    """A subclass of ConsumerApplication with its own setup and teardown handles messages as before."""
    steps: list[str] = []

    class Told(ConsumerApplication):
        def setup(self) -> None:
            super().setup()
            steps.append("setup")

        async def run_async(self) -> None:
            steps.append("run")
            await super().run_async()

        def teardown(self) -> None:
            super().teardown()
            steps.append("teardown")

    app = DistributedApplication(provider)

    async def callback(message: SpaMessage, **_: Any) -> None:
        steps.append(message.payload.decode())
        app.stop()

    app.applications.append(Told(callback, provider))

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(SpaMessage(payload="100.6", topic=TOPIC))

    await run(app)

    assert steps == ["setup", "run", "100.6", "teardown"]
    assert app.ending == "drained"


async def test_producer_application_does_not_listen(provider: MemorySocketProvider) -> None:
    """A producer leaves its provider's default topics alone: messages that nobody reads would stop the publishers."""
    small = provider.overwrite_config(queue_size=2, overflow="error")
    app = DistributedApplication(small)

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        for _ in range(5):
            await socket.publish(SpaMessage(payload="100.6", topic=TOPIC))

    await run(app)

    assert app.ending == "finished"
