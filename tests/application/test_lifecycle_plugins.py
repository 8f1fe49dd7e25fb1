"""Lifecycle plugins at work: one that logs, one that times handlers, one that injects a header; and what errors do."""

from __future__ import annotations

import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from spa_core import AbstractApplication, DistributedApplication, FailurePolicy, SpaMessage, SpaSocket, hookimpl
from spa_core.transport import Ack, ConnectionEvent, Outcome, Reject

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.application.conftest import Eventually, Launch

pytestmark = pytest.mark.anyio
logger = logging.getLogger("example")


class LoggingPlugin:
    """Logs what happens to every application: the example the documentation could print."""

    @hookimpl
    def spa_application_state(self, application: AbstractApplication, state: str) -> None:
        """Log each state."""
        logger.info("%s is %s", application.name, state)

    @hookimpl
    def spa_connection_changed(self, application: AbstractApplication, event: ConnectionEvent) -> None:
        """Log each change of a connection."""
        logger.info("%s is %s", application.name, event.state)


class TimingPlugin:
    """Measures how long handlers take."""

    def __init__(self) -> None:
        self.seconds: list[tuple[str, str, type[Outcome], float]] = []

    @hookimpl
    def spa_message_settled(
        self, application: AbstractApplication, message: SpaMessage, outcome: Outcome, seconds: float
    ) -> None:
        """Note the time from the first attempt to the settlement."""
        self.seconds.append((application.name, message.topic, type(outcome), seconds))


class HeaderPlugin:
    """Stamps every published message."""

    @hookimpl
    def spa_before_publish(self, application: AbstractApplication, message: SpaMessage) -> SpaMessage:
        """Add a header that says who published it."""
        return message.replace(headers={**message.headers, "published-by": application.name})


async def test_a_plugin_that_logs(memory: str, launch: Launch, caplog: pytest.LogCaptureFixture) -> None:
    """States and connections of an application are told in the order they happen."""
    caplog.set_level(logging.INFO, "example")
    app = DistributedApplication(memory, plugins=[LoggingPlugin()])

    @app.application("a", client_name="listener")
    async def handle() -> None: ...

    async with launch(app):
        pass

    told = [record.getMessage() for record in caplog.records if record.name == "example"]
    assert told == [
        "listener is starting",
        "listener is connected",
        "listener is running",
        "listener is draining",
        "listener is closed",
        "listener is stopped",
    ]


async def test_a_plugin_that_times_handlers(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Each settlement is told with its outcome and the time since its first attempt, retries included."""
    timing = TimingPlugin()
    app = DistributedApplication(memory, plugins=[timing])
    attempts: list[float] = []
    gate = anyio.Event()

    @app.application("a/#", client_name="detect", policy=FailurePolicy(attempts=2, backoff=0, then="drop"))
    async def handle(message: SpaMessage) -> None:
        attempts.append(time.monotonic())
        if message.topic == "a/bad":
            if len(attempts) == 3:
                await gate.wait()
            raise ValueError

    async with launch(app) as socket:
        await socket.publish("a/good")
        await socket.publish("a/bad")
        await eventually(lambda: len(attempts) == 3)
        least = time.monotonic() - attempts[1]
        gate.set()
        await eventually(lambda: len(timing.seconds) == 2)

    (good, bad) = timing.seconds
    assert good[:3] == ("detect", "a/good", Ack)
    assert bad[:3] == ("detect", "a/bad", Reject)
    assert 0 <= good[3] < 60
    assert least <= bad[3] < 60


async def test_a_plugin_that_injects_a_header(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Everything an application publishes goes through the plugin: messages, requests, replies and dead letters."""
    app = DistributedApplication(memory, plugins=[HeaderPlugin()])
    got: dict[str, str | None] = {}

    @app.application("ask", client_name="answering")
    async def answer(message: SpaMessage) -> int:
        got["request"] = message.headers.get("published-by")
        return 7

    @app.application("bad", client_name="failing", policy=FailurePolicy(attempts=1))
    async def fail() -> None:
        raise ValueError

    @app.application("dead-letters/#", client_name="inspecting")
    async def inspect(message: SpaMessage) -> None:
        got["dead letter"] = message.headers.get("published-by")

    @app.producer(client_name="asking")
    async def produce(socket: SpaSocket) -> None:
        got["reply"] = (await socket.request("ask")).headers.get("published-by")
        await socket.publish("bad")

    async with launch(app):
        await eventually(lambda: len(got) == 3)

    assert got == {"request": "asking", "reply": "answering", "dead letter": "failing"}


async def test_a_plugin_that_refuses_to_publish(memory: str, launch: Launch) -> None:
    """What a plugin raises before publishing reaches the publisher, and the message is not sent."""

    class Refusing:
        @hookimpl
        def spa_before_publish(self, message: SpaMessage) -> None:
            if message.topic == "secret":
                raise PermissionError(message.topic)

    app = DistributedApplication(memory, plugins=[Refusing()])
    refused: list[Exception] = []
    heard: list[str] = []

    @app.application("#")
    async def handle(message: SpaMessage) -> None:
        heard.append(message.topic)

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        try:
            await socket.publish("secret")
        except PermissionError as error:
            refused.append(error)
        await socket.publish("open")

    async with launch(app):
        with anyio.fail_after(5):
            while not heard:
                await anyio.lowlevel.checkpoint()

    assert len(refused) == 1
    assert heard == ["open"]


async def test_plugins_that_fail_on_notifications(
    memory: str, launch: Launch, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """A notification that fails is logged and ignored, and the other plugins are told all the same."""

    class Failing:
        @hookimpl
        def spa_application_state(self) -> None:
            raise OSError("state")

        @hookimpl
        def spa_connection_changed(self) -> None:
            raise OSError("connection")

        @hookimpl
        def spa_message_settled(self) -> None:
            raise OSError("settled")

    timing = TimingPlugin()
    app = DistributedApplication(memory, plugins=[timing, Failing()])
    handled: list[int] = []

    @app.application("a")
    async def handle() -> None:
        handled.append(1)

    async with launch(app) as socket:
        for _ in range(3):
            await socket.publish("a")
        await eventually(lambda: len(timing.seconds) == 3)

    assert len(handled) == 3
    assert app.ending == "drained"
    for what in ("state", "connection", "settled"):
        assert f"OSError: {what}" in caplog.text


# -- lifespans ---------------------------------------------------------------------------------------------------------


def surrounding(name: str, notes: list[str], *, fails: str = "") -> object:
    """Return a plugin that notes when it enters and leaves an application's life, and fails on one of them."""

    class Surround:
        @hookimpl
        @asynccontextmanager
        async def spa_application_lifespan(self, application: AbstractApplication) -> AsyncGenerator[None]:
            connected = application.socket is not None and application.socket.connected
            notes.append(f"enter {name} of {application.name}{' connected' if connected else ''}")
            if fails == "enter":
                raise OSError(name)
            try:
                yield
            finally:
                connected = application.socket is not None and application.socket.connected
                notes.append(f"leave {name} of {application.name}{' connected' if connected else ''}")
            if fails == "leave":
                raise OSError(name)

    return Surround()


async def test_lifespans_surround_each_application(memory: str) -> None:
    """Entered before the socket connects, left after it was closed, in reverse order of entering, once for each."""
    notes: list[str] = []
    app = DistributedApplication(memory, plugins=[surrounding("a", notes), surrounding("b", notes)])

    @app.producer(client_name="one")
    async def produce() -> None:
        notes.append("run")

    await app.start_async()

    assert notes == ["enter b of one", "enter a of one", "run", "leave a of one", "leave b of one"]


async def test_a_lifespan_that_fails_to_enter(memory: str) -> None:
    """The start fails, what was entered before is left, and nothing else begins."""
    notes: list[str] = []
    plugins = [surrounding("never", notes), surrounding("bad", notes, fails="enter"), surrounding("first", notes)]
    app = DistributedApplication(memory, plugins=plugins)

    @app.producer(client_name="one")
    async def produce() -> None:
        notes.append("run")

    with pytest.raises(OSError, match="bad"):
        await app.start_async()

    assert notes == ["enter first of one", "enter bad of one", "leave first of one"]


async def test_a_lifespan_that_fails_to_leave(memory: str) -> None:
    """Everything else is closed first, then the error is raised."""
    notes: list[str] = []
    plugins = [surrounding("outer", notes), surrounding("bad", notes, fails="leave")]
    app = DistributedApplication(memory, plugins=list(reversed(plugins)))

    @app.producer(client_name="one")
    async def produce() -> None:
        notes.append("run")

    with pytest.raises(OSError, match="bad"):
        await app.start_async()

    assert notes[-2:] == ["leave bad of one", "leave outer of one"]


async def test_a_lifespan_is_left_when_the_application_fails(memory: str) -> None:
    """The application's own error passes through the plugins' lifespans, and comes out as it is."""
    notes: list[str] = []
    app = DistributedApplication(memory, plugins=[surrounding("a", notes)])

    @app.producer(client_name="one")
    async def produce() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await app.start_async()

    assert notes == ["enter a of one", "leave a of one"]


async def test_a_plugin_may_take_no_part(memory: str) -> None:
    """A lifespan hook may return nothing for an application it does not care about."""

    class Indifferent:
        @hookimpl
        def spa_application_lifespan(self) -> None:
            """Take no part."""

    app = DistributedApplication(memory, plugins=[Indifferent()])

    @app.producer()
    async def produce() -> None: ...

    await app.start_async()

    assert app.ending == "finished"


async def test_a_plugin_may_leave_a_message_as_it_is(memory: str, launch: Launch, eventually: Eventually) -> None:
    """A hook before publishing that returns nothing changes nothing."""

    class Watching:
        def __init__(self) -> None:
            self.seen: list[str] = []

        @hookimpl
        def spa_before_publish(self, message: SpaMessage) -> None:
            self.seen.append(message.topic)

    watching = Watching()
    app = DistributedApplication(memory, plugins=[watching])
    got: list[bytes] = []

    @app.application("a")
    async def handle(message: SpaMessage) -> None:
        got.append(message.payload)

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        await socket.publish("a", b"x")

    async with launch(app):
        await eventually(lambda: got)

    assert (got, watching.seen) == ([b"x"], ["a"])
