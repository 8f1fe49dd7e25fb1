"""``app.test()``: the real application, run in memory, seen from outside."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from spa_core import (
    DistributedApplication,
    FailurePolicy,
    MessageBuilder,
    PayloadFormat,
    RejectError,
    SocketConfig,
    SocketProvider,
    SpaMessage,
    SpaSocket,
    TransportConfig,
)
from spa_core._discovery.plugins import Plugins
from spa_core.codecs import CodecRegistry
from spa_core.errors import (
    CodecError,
    ConfigurationError,
    HandlerFailedError,
    NoRespondersError,
    RemoteError,
    SocketClosedError,
    TopicError,
    UnknownSchemeError,
)
from spa_core.testing.harness import ApplicationTest, application_test
from spa_core.transport import Capabilities
from spa_inmemory import MemoryConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import NoReturn

pytestmark = pytest.mark.anyio

ONCE = FailurePolicy(attempts=1)


class Reading(msgspec.Struct):
    """What a sensor says."""

    litres: float


class Unreachable(SocketProvider[TransportConfig]):
    """A transport that a test must never open."""

    dead_letter_topic = "broken.{group}.{topic}"

    @property
    def capabilities(self) -> Capabilities:
        """What it could do."""
        return Capabilities(fanout=True, groups=True)

    def open(self, on_connection: object) -> NoReturn:  # noqa: ARG002 - it must not be called
        """Fail."""
        pytest.fail("a test opened a real transport")


def unreachable(**config: object) -> Unreachable:
    """Return a provider that must not be opened."""
    return Unreachable(TransportConfig(**config))


def doubling(**options: object) -> DistributedApplication:
    """Return an application that publishes twice what it gets."""
    app = DistributedApplication(unreachable())

    @app.application("numbers/{name}", **options)
    async def double(number: int, name: str, socket: SpaSocket) -> None:
        await socket.publish(f"doubled/{name}", 2 * number)

    return app


async def test_runs_in_memory() -> None:
    """An application whose transport cannot be reached runs in a test."""
    async with doubling().test() as t:
        await t.publish("numbers/a", 21)
        await t.settle()

        assert [message.payload for message in t.published("doubled/#")] == [b"42"]


async def test_without_a_provider() -> None:
    """An application that is given its URL later runs in a test without one, and has none afterwards."""
    app = DistributedApplication()

    @app.application("a")
    async def forward(body: str, socket: SpaSocket) -> None:
        await socket.publish("b", body)

    async with app.test() as t:
        await t.publish("a", "x")
        await t.settle()
        assert t.published("b")

    assert app.default_socket_provider is None
    with pytest.raises(ConfigurationError, match="no socket provider"):
        await app.start_async(handle_signals=False)


async def test_restores_providers() -> None:
    """After a test every application has its own provider again, after a failed one too."""
    app = doubling()
    default, before = app.default_socket_provider, repr(app.applications[0].socket_provider)

    async def fail() -> None:
        async with app.test():
            assert repr(app.applications[0].socket_provider) != before
            assert app.default_socket_provider is not default
            raise KeyError

    with pytest.raises(KeyError):
        await fail()

    assert isinstance(app.applications[0].socket_provider, Unreachable)
    assert repr(app.applications[0].socket_provider) == before
    assert app.default_socket_provider is default
    assert app.applications[0].observer is None


async def test_again() -> None:
    """One application can be tested any number of times, and sees nothing of the tests before."""
    app = doubling()

    for number in range(3):
        async with app.test() as t:
            await t.publish("numbers/a", number)
            await t.settle()

            assert [message.payload for message in t.published("doubled/a")] == [str(2 * number).encode()]


async def test_keeps_configuration() -> None:
    """Default topics, group, client name and the dead-letter topic come from the provider that is exchanged."""
    config = {"default_subscription_topics": "in", "group": "workers", "client_name": "worker", "prefetch": 7}
    provider = unreachable(**config)
    app = DistributedApplication(provider)

    async def fail(message_builder: MessageBuilder) -> None:
        raise ValueError(message_builder.client_name)

    app.add_application(fail, policy=ONCE)

    async with app.test(raise_errors=False) as t:
        assert app.applications[0].socket_provider.config.prefetch == 7
        await t.publish("in", "x")
        await t.settle()

        assert [letter.topic for letter in t.dead_letters] == ["broken.workers.in"]
        assert "worker" in t.dead_letters[0].headers["spa-dead-letter-error"]


async def test_keeps_envelope() -> None:
    """An application that wraps its messages does so in a test, which sees them as they were meant."""
    config = SocketConfig(PayloadFormat.JSON, MemoryConfig(name="nobody"))
    app = DistributedApplication(config)

    @app.application("a")
    async def forward(message: SpaMessage, socket: SpaSocket) -> None:
        await socket.publish("b", message.payload.decode() + "!", content_type="text/plain")

    async with app.test() as t:
        await t.publish("a", "x")
        await t.settle()

        assert [(message.payload, message.content_type) for message in t.published("b")] == [(b"x!", "text/plain")]


async def test_keeps_codecs() -> None:
    """The codecs of the provider that is exchanged are used."""

    class HexCodec:
        content_types = ("application/vnd.acme.hex",)

        def encode(self, value: int, **_about: object) -> bytes:
            return format(value, "x").encode()

        def decode(self, payload: bytes, _wanted: object, **_about: object) -> int:
            return int(payload, 16)

    app = DistributedApplication(unreachable().with_codecs(CodecRegistry([HexCodec()])))

    @app.application("a")
    async def forward(number: int, socket: SpaSocket) -> None:
        await socket.publish("b", number, content_type="application/vnd.acme.hex")

    async with app.test() as t:
        await t.publish("a", 255)
        await t.settle()

        assert [message.payload for message in t.published("b")] == [b"ff"]


async def test_published_in_order() -> None:
    """What anybody published is there in the order it was published, causes before their effects."""
    app = DistributedApplication()

    @app.application("first")
    async def second(socket: SpaSocket) -> None:
        await socket.publish("second", "")

    @app.application("second")
    async def third(socket: SpaSocket) -> None:
        await socket.publish("third", "")

    async with app.test() as t:
        await t.publish("first", "")
        await t.settle()

        assert [message.topic for message in t.published()] == ["first", "second", "third"]
        assert [message.topic for message in t.published("{ordinal}")] == ["first", "second", "third"]
        with pytest.raises(TopicError):
            t.published("a/#/b")


async def test_request() -> None:
    """A test can ask: a handler's answer, its error, and that there is nobody."""
    app = DistributedApplication()

    @app.application("half")
    async def half(number: int) -> float:
        if number % 2:
            text = f"{number} is odd"
            raise RejectError(text)
        return number / 2

    async with app.test() as t:
        assert t.decode(await t.request("half", 42), float) == 21
        with pytest.raises(RemoteError, match="7 is odd"):
            await t.request("half", 7)
        with pytest.raises(NoRespondersError):
            await t.request("third", 42)


async def test_calls() -> None:
    """Every attempt of a handler is there with its arguments and its outcome, coroutine function or not."""
    app = DistributedApplication()
    failures = [ValueError("wet")]

    @app.application("flow", policy=FailurePolicy(attempts=2, backoff=0))
    def measure(litres: float, message: SpaMessage) -> str:
        for failure in failures:
            failures.clear()
            raise failure
        return f"{litres} l on {message.topic}"

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        await socket.publish("flow", 98.6)

    async with app.test() as t:
        await t.settle()
        first, second = t.calls(measure)
        [produced] = t.calls(produce)

    assert first.arguments["litres"] == 98.6
    assert (first.outcome, str(first.error), first.result) == ("raised", "wet", None)
    assert (second.outcome, second.error, second.result) == ("returned", None, "98.6 l on flow")
    assert second.message is not None
    assert second.message.topic == "flow"
    assert (produced.outcome, produced.message) == ("returned", None)


async def test_calls_of_a_stranger() -> None:
    """Asking for the calls of a function that is no handler names the handlers there are."""

    async def doubel() -> None: ...

    async with doubling().test() as t:
        with pytest.raises(ConfigurationError, match=r"doubel is no handler of .* double") as caught:
            t.calls(doubel)

    assert caught.value.hint == "Did you mean 'double'?"


async def test_raises_unhandled_errors() -> None:
    """``settle()`` raises the first error that no attempt got over, once, and publishing raises none."""
    app = doubling(policy=ONCE)

    async with app.test() as t:
        await t.publish("numbers/a", "one")
        await t.publish("numbers/a", "two")
        with pytest.raises(CodecError) as caught:
            await t.settle()
        await t.settle()

        assert len(t.dead_letters) == 2
        assert any("1 more" in note for note in caught.value.__notes__)


async def test_raises_at_the_end() -> None:
    """An error that no ``settle()`` has raised is raised at the end of the block."""

    class WetError(Exception):
        pass

    app = DistributedApplication()

    @app.application("a", policy=ONCE)
    async def fail() -> None:
        raise WetError

    async def forget_to_settle() -> None:
        async with app.test() as t:
            await t.publish("a", "")
            while not t.dead_letters:
                await anyio.lowlevel.checkpoint()

    with pytest.raises(WetError):
        await forget_to_settle()


async def test_does_not_hide_the_test_itself() -> None:
    """What the block raises comes out, and not what a handler failed with before."""
    app = doubling(policy=ONCE)

    async def fail() -> None:
        async with app.test() as t:
            await t.publish("numbers/a", "one")
            while not t.dead_letters:
                await anyio.lowlevel.checkpoint()
            raise KeyError

    with pytest.raises(KeyError):
        await fail()


async def test_raise_errors_off() -> None:
    """With ``raise_errors=False`` failures are raised only when they are asked for."""
    async with doubling(policy=ONCE).test(raise_errors=False) as t:
        await t.publish("numbers/a", "one")
        await t.settle()
        with pytest.raises(CodecError):
            t.raise_failures()

        t.raise_failures()


async def test_refusals_are_no_errors() -> None:
    """A message that its handler refuses becomes a dead letter, and no error of the test."""
    app = DistributedApplication()

    @app.application("a")
    async def refuse() -> None:
        text = "too wet"
        raise RejectError(text)

    async with app.test() as t:
        await t.publish("a", "")
        await t.settle()

        [letter] = t.dead_letters
        assert letter.headers["spa-dead-letter-error"] == "too wet"


async def test_recovered_errors_are_no_errors() -> None:
    """An error that a later attempt got over is not raised."""
    app = DistributedApplication()
    errors = [ValueError(), ValueError()]

    @app.application("a", policy=FailurePolicy(attempts=3, backoff=0))
    async def fail() -> None:
        if errors:
            raise errors.pop()

    async with app.test() as t:
        await t.publish("a", "")
        await t.settle()

        assert [call.outcome for call in t.calls(fail)] == ["raised", "raised", "returned"]
        assert t.health().applications[0].counts.handled == 1


async def test_policy_stop() -> None:
    """Where a failure ends the application, ``settle()`` raises what its start would raise."""
    app = DistributedApplication()

    @app.application("a", policy=FailurePolicy(attempts=1, then="stop"))
    async def fail() -> None:
        raise ValueError

    async with app.test() as t:
        await t.publish("a", "")
        with pytest.raises(HandlerFailedError):
            await t.settle()

        assert t.health().state == "failed"
        with pytest.raises(SocketClosedError):
            await t.publish("a", "")


async def test_stops_itself() -> None:
    """When the application stops itself ``settle()`` waits for its end, and what was published can be looked at."""
    app = DistributedApplication()

    @app.application("a")
    async def stop(socket: SpaSocket) -> None:
        app.stop()
        await socket.publish("b", "")

    async with app.test() as t:
        await t.publish("a", "")
        await t.settle()

        assert t.published("b")
    assert app.ending == "drained"


async def test_failing_start() -> None:
    """An application that cannot open fails on entering, with its own error, and its provider is restored."""
    app = DistributedApplication(unreachable())

    @asynccontextmanager
    async def database() -> AsyncIterator[None]:
        if True:
            text = "no database"
            raise OSError(text)
        yield

    @app.application("a", resources={"database": database})
    async def handle(database: object) -> None: ...

    with pytest.raises(Exception, match="no database"):
        async with app.test():
            pytest.fail("it was entered")

    assert isinstance(app.applications[0].socket_provider, Unreachable)


async def test_failing_producer() -> None:
    """What a producer fails with is raised by ``settle()``."""
    app = DistributedApplication()

    @app.producer()
    async def produce() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        async with app.test() as t:
            await t.settle()


async def test_without_producers() -> None:
    """With ``producers=False`` no producer runs, not even one that would never end."""
    app = doubling()

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        while True:
            await socket.publish("numbers/noise", 1)
            await anyio.sleep(1)

    async with app.test(producers=False) as t:
        await t.publish("numbers/a", 1)
        await t.settle()

        assert [message.topic for message in t.published()] == ["numbers/a", "doubled/a"]
        assert [each.name for each in t.health().applications] == ["double"]


async def test_runs_already() -> None:
    """An application that runs, in a test or otherwise, cannot be tested; it runs on undisturbed."""
    app = doubling()

    async with app.test() as t:
        with pytest.raises(RuntimeError, match="running already"):
            async with app.test():
                pytest.fail("it was entered")
        await t.publish("numbers/a", 1)
        await t.settle()

        assert t.published("doubled/a")


async def test_nothing_to_run() -> None:
    """An application without handlers says so."""
    with pytest.raises(ConfigurationError, match="nothing to test"):
        async with DistributedApplication().test():
            pytest.fail("it was entered")


async def test_without_the_transport() -> None:
    """Where the in-memory transport is not installed, the error has the line that installs it."""
    plugins = Plugins(entry_points=lambda group: [])  # noqa: ARG005 - the group is asked for by its name
    app = doubling()

    with pytest.raises(UnknownSchemeError) as caught:
        async with application_test(app, app.start_async, plugins=plugins):
            pytest.fail("it was entered")

    assert "pip install spa-inmemory" in str(caught.value.hint)


@pytest.fixture
async def tested() -> AsyncIterator[ApplicationTest]:
    """A run that a fixture begins and ends."""
    async with doubling().test() as t:
        yield t


async def test_in_a_fixture(tested: ApplicationTest) -> None:
    """A fixture can give the run to its tests."""
    await tested.publish("numbers/a", 1)
    await tested.settle()

    assert tested.published("doubled/a")


async def test_typed_payloads() -> None:
    """A test publishes and reads objects, as handlers do."""
    app = DistributedApplication()

    @app.application("in")
    async def forward(reading: Reading, socket: SpaSocket) -> None:
        await socket.publish("out", Reading(reading.litres * 2))

    async with app.test() as t:
        await t.publish("in", Reading(1.5))
        await t.settle()

        assert [t.decode(message, Reading) for message in t.published("out")] == [Reading(3)]
