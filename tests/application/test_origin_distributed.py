"""The rows of the origin's interface about ``DistributedApplication``: each test is named after its row."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import spa_core
from spa_core import (
    DistributedApplication,
    MessageBuilder,
    ProducerApplication,
    SocketProvider,
    SocketProviderFactory,
    SpaMessage,
    SpaSocket,
)
from spa_core.codecs import CodecRegistry
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

URL = "memory://origin"
TOPIC = "plants/north"

NAMES = {
    "AbstractApplication",
    "ApplicationLifeCycle",
    "ConsumerApplication",
    "DistributedApplication",
    "MessageBuilder",
    "PayloadFormat",
    "ProducerApplication",
    "SocketConfig",
    "SocketProvider",
    "SocketProviderFactory",
    "SpaMessage",
    "SpaSocket",
}


@pytest.fixture
def provider() -> MemorySocketProvider:
    """Return a provider without default topics, as the origin's programs make one."""
    return MemorySocketProvider(MemoryConfig(name="origin"))


async def nothing(**_: Any) -> None:
    """Do nothing, as a handler that is not called."""


async def run(app: DistributedApplication) -> None:
    """Run an application that stops itself."""
    with anyio.fail_after(5):
        await app.start_async()


def test_names() -> None:
    """Every name of the origin that is no broker's is exported by core."""
    assert set(spa_core.__all__) >= NAMES


@pytest.mark.parametrize(
    "make",
    [
        DistributedApplication,
        lambda provider: DistributedApplication(default_socket_provider=provider),
        lambda _: DistributedApplication(URL),
        lambda _: DistributedApplication(MemoryConfig(name="origin")),
    ],
    ids=["position", "keyword", "url", "config"],
)
async def test_distributed_application(
    make: Callable[[SocketProvider[Any]], DistributedApplication], provider: MemorySocketProvider
) -> None:
    """One provider, however it is given, serves every application that has none of its own."""
    app = make(provider)
    received: list[bytes] = []

    @app.application(TOPIC)
    async def consumer(message: SpaMessage, **_: Any) -> None:
        received.append(message.payload)
        app.stop()

    @app.producer()
    async def producer(socket: SpaSocket, **_: Any) -> None:
        await socket.publish(SpaMessage(payload="100.6", topic=TOPIC))

    await run(app)

    assert received == [b"100.6"]


async def test_distributed_application_without_provider() -> None:
    """Without any provider the application does not start, with a ``ValueError`` as in the origin."""
    app = DistributedApplication(None)
    app.application(TOPIC)(nothing)

    with pytest.raises(ValueError, match="no socket provider"):
        await run(app)


async def test_application_arguments(provider: MemorySocketProvider) -> None:
    """A handler is registered with every argument the origin's decorator takes."""
    app = DistributedApplication(provider)
    seen: dict[str, Any] = {}

    @app.application(
        [TOPIC, "plants/south"],
        socket_provider=provider,
        state=[7],
        ressources={},
        client_id="c1",
        client_name="detector",
    )
    async def consumer(message: SpaMessage, message_builder: MessageBuilder, state: list[int], **_: Any) -> None:
        built = message_builder(payload="", topic="x")
        seen[message.topic] = (state, built.client_id, built.client_name)
        if len(seen) == 2:
            app.stop()

    @app.producer()
    async def producer(socket: SpaSocket, **_: Any) -> None:
        await socket.publish(SpaMessage(payload="", topic=TOPIC))
        await socket.publish(SpaMessage(payload="", topic="plants/south"))

    await run(app)

    assert seen == {TOPIC: ([7], "c1", "detector"), "plants/south": ([7], "c1", "detector")}


def test_application_returns_the_function() -> None:
    """The decorators hand the function back, so that its name stays bound to it; the origin bound it to ``None``."""
    app = DistributedApplication(URL)

    async def consumer(message: SpaMessage) -> None: ...

    async def producer(socket: SpaSocket) -> None: ...

    assert app.application(TOPIC)(consumer) is consumer
    assert app.producer()(producer) is producer


async def test_application_without_topics() -> None:
    """A handler registered for ``None`` listens to its provider's default topics, as in the origin."""
    app = DistributedApplication(SocketProviderFactory.from_url(f"{URL}?topics={TOPIC}"))
    received: list[str] = []

    @app.application(None)  # type: ignore[arg-type]  # the origin's `topics or default_subscription_topics`
    async def consumer(message: SpaMessage, **_: Any) -> None:
        received.append(message.topic)
        app.stop()

    @app.producer()
    async def producer(socket: SpaSocket, **_: Any) -> None:
        await socket.publish(SpaMessage(payload="", topic=TOPIC))

    await run(app)

    assert received == [TOPIC]


@pytest.mark.parametrize("spelling", ["resources", "ressources"])
def test_application_resources(spelling: str, provider: MemorySocketProvider) -> None:
    """Resources are taken under the origin's spelling and under the right one, by handlers and producers."""
    app = DistributedApplication(provider)
    options: dict[str, Any] = {spelling: {"meter": object()}}

    async def consumer(message: SpaMessage, meter: object) -> None: ...

    async def producer(socket: SpaSocket, meter: object) -> None: ...

    app.application(TOPIC, **options)(consumer)
    app.producer(**options)(producer)

    assert [list(application.ressources) for application in app.applications] == [["meter"], ["meter"]]


async def test_producer(provider: MemorySocketProvider) -> None:
    """A producer runs once, with every argument the origin's decorator takes, and then the application ends."""
    app = DistributedApplication(provider)
    runs: list[tuple[Any, ...]] = []

    @app.producer(socket_provider=provider, state=7, ressources={}, client_id="c1", client_name="gauge")
    async def producer(socket: SpaSocket, message_builder: MessageBuilder, state: int, **_: Any) -> None:
        built = message_builder(payload="", topic=TOPIC)
        runs.append((state, socket.client_id, built.client_id, built.client_name))

    await run(app)

    assert runs == [(7, "c1", "c1", "gauge")]
    assert app.ending == "finished"


def builder(**fields: Any) -> SpaMessage:
    """Build a message as the origin's 0.4 does, with an identity of its own."""
    return SpaMessage.build(**{"client_id": "given", **fields})


class Meter:
    """A state that is no function."""


STATE = Meter()

CALLS: dict[str, Callable[[Callable[..., None], SocketProvider[Any]], None]] = {
    "provider": lambda add, provider: add(provider),
    "provider by name": lambda add, provider: add(socket_provider=provider),
    "0.3": lambda add, provider: add(provider, STATE, {"meter": 1}),
    "0.3 without state": lambda add, provider: add(provider, None, {"meter": 1}),
    "0.3 by name": lambda add, provider: add(socket_provider=provider, state=STATE, ressources={"meter": 1}),
    "0.4": lambda add, provider: add(provider, builder, STATE, {"meter": 1}),
    "0.4 without resources": lambda add, provider: add(provider, builder, STATE),
    "0.4 partial": lambda add, provider: add(provider, partial(SpaMessage.build, client_id="given"), STATE),
    "0.4 of an application": lambda add, provider: add(
        provider, MessageBuilder(CodecRegistry(), client_id="given", client_name=None), STATE
    ),
    "0.4 by name": lambda add, provider: add(
        socket_provider=provider, message_builder=builder, state=STATE, ressources={"meter": 1}
    ),
    "default provider": lambda add, _: add(),
}


@pytest.mark.parametrize("shape", CALLS)
@pytest.mark.parametrize("method", ["add_application", "add_producer_application"])
async def test_add_application(method: str, shape: str) -> None:
    """Both call shapes of the origin put provider, builder, state and resources where they belong."""
    default = SocketProviderFactory.from_url(f"{URL}?topics={TOPIC}")
    app = DistributedApplication(default)
    seen: dict[str, Any] = {}

    async def callback(socket: SpaSocket, **given: Any) -> None:
        seen.update(given)
        await socket.publish(given["message_builder"](payload="", topic="elsewhere"))
        app.stop()

    @app.producer()
    async def producer(socket: SpaSocket, **_: Any) -> None:
        await socket.publish(SpaMessage(payload="", topic=TOPIC))

    CALLS[shape](partial(getattr(app, method), callback), default.rebuild())
    await run(app)

    assert ("message" in seen) is (method == "add_application")
    assert seen["state"] is (STATE if "0." in shape and "without state" not in shape else None)
    assert seen.get("meter") == (1 if "0.3" in shape or shape in {"0.4", "0.4 by name"} else None)
    assert (seen["message_builder"](payload="", topic=TOPIC).client_id == "given") is ("0.4" in shape)


def test_add_application_too_many() -> None:
    """A fourth argument behind the provider, or one given twice, is refused."""
    app = DistributedApplication(URL)

    async def consumer(message: SpaMessage) -> None: ...

    with pytest.raises(TypeError, match="at most message_builder, state, ressources may follow the provider, got 4"):
        app.add_application(consumer, None, builder, STATE, {}, "more")
    with pytest.raises(TypeError, match="state is given twice"):
        app.add_application(consumer, None, STATE, state=STATE)


async def test_add_own_application(provider: MemorySocketProvider) -> None:
    """An instance of an application class can be appended to ``applications``, as the origin's list allowed."""
    app = DistributedApplication(provider)
    runs: list[int] = []

    async def producer(state: int, **_: Any) -> None:
        runs.append(state)

    app.applications.append(ProducerApplication(producer, provider, 7))
    await run(app)

    assert runs == [7]


def test_start(provider: MemorySocketProvider) -> None:
    """``start()`` blocks until done."""
    app = DistributedApplication(provider)
    done: list[bool] = []

    @app.producer()
    async def producer(**_: Any) -> None:
        await checkpoint()
        done.append(True)

    app.start()

    assert done == [True]


async def test_start_async(provider: MemorySocketProvider) -> None:
    """``start_async()`` is awaited until done."""
    app = DistributedApplication(provider)
    done: list[bool] = []

    @app.producer()
    async def producer(**_: Any) -> None:
        await checkpoint()
        done.append(True)

    assert inspect.iscoroutinefunction(app.start_async)

    await run(app)

    assert done == [True]
