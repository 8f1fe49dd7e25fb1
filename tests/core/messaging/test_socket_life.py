"""The life of a socket: opened, used, closed, and on every way out as if nothing had been open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import SpaMessage, SpaSocket
from spa_core.codecs import CodecRegistry
from spa_core.errors import AuthenticationError, ConnectError, DisconnectedError
from spa_core.transport import ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.core.conftest import Broker, Eventually

pytestmark = pytest.mark.anyio


async def busy(socket: SpaSocket) -> None:
    """Give a socket something to close: a subscription, a reply subscription, an iteration."""
    await socket.subscribe("a")
    with pytest.raises(TimeoutError):
        await socket.request("void", timeout=0.001)
    aiter(socket)


async def use(
    socket: SpaSocket, body: Callable[[], Awaitable[None]], in_body: Callable[[], object] = lambda: None
) -> None:
    """Run the body of a ``with`` statement, and tell when it begins."""
    async with socket:
        await busy(socket)
        in_body()
        await body()


# -- opening and closing -----------------------------------------------------------------------------------------------


async def test_a_socket_connects_when_entered_and_not_before(broker: Broker) -> None:
    """Making a provider and a socket does no I/O; entering connects, leaving disconnects."""
    socket = broker.provider().create_socket()

    assert broker.calls == []
    assert socket.connected is False
    async with socket as entered:
        assert entered is socket
        assert broker.calls == ["connect"]
        assert socket.connected is True
    assert broker.calls == ["connect", "disconnect"]
    assert socket.connected is False


async def test_a_socket_may_be_opened_again(broker: Broker) -> None:
    """After it was closed a socket opens again as new."""
    socket = broker.provider().create_socket()
    for _ in range(3):
        async with socket:
            await busy(socket)
            await socket.publish("a")

    assert len(broker.on("a")) == 3
    assert broker.calls.count("connect") == broker.calls.count("disconnect") == 3


async def test_an_open_socket_is_not_opened_twice(broker: Broker) -> None:
    """Entering an open socket is refused and leaves it open."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(RuntimeError, match="open already"):
            await socket.__aenter__()
        await socket.publish("a")

    assert len(broker.published) == 1


@pytest.mark.parametrize("error", [ConnectError("no"), AuthenticationError("who?")])
async def test_a_socket_that_cannot_connect(broker: Broker, error: Exception) -> None:
    """What keeps it from connecting comes out as it is, nothing stays open, and it may be tried again."""
    broker.refuse = lambda call, _message: error if call == "connect" else None
    socket = broker.provider().create_socket()
    with pytest.raises(type(error)) as caught:
        await socket.__aenter__()
    broker.refuse = lambda _call, _message: None
    async with socket:
        await socket.check()

    assert caught.value is error


async def test_a_cancelled_opening_leaves_nothing(broker: Broker, eventually: Eventually) -> None:
    """Giving up while it connects, or while it subscribes, leaves nothing open."""
    for call in ("connect", "subscribe a"):
        broker.calls.clear()
        broker.before = {call: anyio.sleep_forever}
        socket = broker.provider(default_subscription_topics=("a",)).create_socket()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.__aenter__)
            await eventually(lambda call=call: call in broker.calls)
            tasks.cancel_scope.cancel()

        assert socket.connected is False
        assert broker.subscriptions == []
        assert broker.calls.count("disconnect") == (call != "connect")


async def test_what_was_nobodys_request_before_opening(broker: Broker) -> None:
    """A socket that is not open has no requests, and says so."""
    socket = broker.provider().create_socket()

    assert (socket.requests_pending, socket.late_replies) == (0, 0)


async def test_the_connection_is_watched(broker: Broker) -> None:
    """``connected`` follows what the transport says, and whoever listens hears of each change."""
    heard: list[str] = []
    socket = SpaSocket(broker.provider(), on_connection=lambda event: heard.append(event.state))
    async with socket:
        assert broker.listener is not None
        broker.listener(ConnectionEvent(state="disconnected", reason="cable"))

        assert socket.connected is False

        broker.listener(ConnectionEvent(state="connected"))

        assert socket.connected is True

    assert heard == ["connected", "disconnected", "connected", "closed"]


async def test_check_asks_the_broker(broker: Broker) -> None:
    """``check`` passes if the broker answers and raises what the transport raises if not."""
    async with broker.provider().create_socket() as socket:
        await socket.check()
        broker.refuse = lambda call, _message: DisconnectedError("gone") if call == "check" else None
        with pytest.raises(DisconnectedError):
            await socket.check()


async def test_many_opened_and_closed_at_once(broker: Broker) -> None:
    """Sockets of one provider do not get in each other's way."""
    provider = broker.provider(default_subscription_topics=("a",))

    async def live() -> None:
        async with provider.create_socket() as socket:
            await socket.publish("b")

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(live)

    assert len(broker.on("b")) == 20
    assert broker.subscriptions == []


# -- ways out ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError("mine"), ExceptionGroup("mine", [KeyError("a"), ValueError("b")])])
async def test_the_bodys_own_error_comes_out_as_it_is(broker: Broker, error: Exception) -> None:
    """An exception of the body is neither wrapped in a group nor, being a group, unwrapped."""

    async def body() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await use(broker.provider().create_socket(), body)

    assert caught.value is error
    assert broker.subscriptions == []
    assert broker.calls[-1] == "disconnect"


async def test_an_error_on_closing(broker: Broker) -> None:
    """What the transport raises on closing comes out as it is, with the body's error as its context."""
    broker.refuse = lambda call, _message: DisconnectedError("flush failed") if call == "disconnect" else None

    async def fine() -> None:
        pass

    async def fails() -> None:
        raise KeyError

    with pytest.raises(DisconnectedError):
        await use(broker.provider().create_socket(), fine)
    with pytest.raises(DisconnectedError) as caught:
        await use(broker.provider().create_socket(), fails)

    assert isinstance(caught.value.__context__, KeyError)


async def test_a_cancelled_body(broker: Broker) -> None:
    """A cancellation of the body closes everything and goes on to whom it belongs."""
    async with anyio.create_task_group() as tasks:
        in_body = anyio.Event()
        tasks.start_soon(use, broker.provider().create_socket(), anyio.sleep_forever, in_body.set)
        await in_body.wait()
        tasks.cancel_scope.cancel()

    assert broker.subscriptions == []


async def test_a_timeout_around_the_body(broker: Broker) -> None:
    """A deadline around an open socket is a deadline, no error of the socket."""
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.02):
            await use(broker.provider().create_socket(), anyio.sleep_forever)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_is_cancelled_stays_cancelled(broker: Broker) -> None:
    """``task.cancel()``, asyncio's own way, ends the task: the socket does not swallow it."""
    socket = broker.provider().create_socket()
    in_body = anyio.Event()
    task = asyncio.create_task(use(socket, anyio.sleep_forever, in_body.set))
    await in_body.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert task.cancelled()
    assert broker.subscriptions == []
    assert broker.calls[-1] in {"disconnect", f"leave {socket.client_id}"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_timeout_around_the_body(broker: Broker) -> None:
    """``asyncio.timeout`` around an open socket raises its TimeoutError."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await use(broker.provider().create_socket(), anyio.sleep_forever)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_task_group_in_the_body(broker: Broker) -> None:
    """A body may use asyncio's task group; its errors come out as they would without the socket."""

    async def fails() -> None:
        raise KeyError

    async def body() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails())
            await anyio.sleep_forever()

    with pytest.RaisesGroup(KeyError):
        await use(broker.provider().create_socket(), body)


async def test_a_publish_under_way_when_the_socket_closes(broker: Broker, eventually: Eventually) -> None:
    """Closing a socket under a task that publishes leaves that task with an answer, not hanging."""
    gate = anyio.Event()
    broker.before = {"publish": gate.wait}
    ended: list[str] = []

    async def publish(socket: SpaSocket) -> None:
        await socket.publish("a")
        ended.append("accepted")

    async with anyio.create_task_group() as tasks:
        async with broker.provider().create_socket() as socket:
            tasks.start_soon(publish, socket)
            await eventually(lambda: "publish" in broker.calls)
        gate.set()

    assert ended == ["accepted"]


# -- providers ---------------------------------------------------------------------------------------------------------


async def test_a_changed_provider_is_a_new_one(broker: Broker) -> None:
    """Changing a configuration makes another provider; the one before stays as it was."""
    provider = broker.provider(default_subscription_topics=("a",), group="g")
    changed = provider.overwrite_config(topics=["b", "c"], prefetch=7)

    assert (provider.config.default_subscription_topics, provider.config.prefetch) == (("a",), 100)
    assert (changed.config.default_subscription_topics, changed.config.prefetch) == (("b", "c"), 7)
    assert changed.config.group == "g"
    assert type(changed) is type(provider)
    async with changed.create_socket():
        assert broker.subscriptions[0].spec.topics == ("b", "c")


async def test_rebuild_is_the_origins_name(broker: Broker) -> None:
    """``rebuild(topics=…)`` does what ``overwrite_config`` does, and keeps the topics where none are given."""
    provider = broker.provider(default_subscription_topics=("a",))

    assert provider.rebuild(topics="b").config.default_subscription_topics == ("b",)
    assert provider.rebuild(prefetch=7).config.default_subscription_topics == ("a",)


async def test_a_provider_with_other_codecs(broker: Broker) -> None:
    """A provider can be given other codecs; its sockets use them, those of the provider before do not."""
    provider = broker.provider()
    packed = provider.with_codecs(CodecRegistry(default_content_type="application/msgpack"))
    for each in (packed, provider):
        async with each.create_socket() as socket:
            await socket.publish("a", {"n": 7})

    assert [message.content_type for message in broker.published] == ["application/msgpack", "application/json"]


async def test_a_provider_says_what_it_is(broker: Broker) -> None:
    """A provider shows itself by its configuration."""
    provider = broker.provider(client_id="c")

    assert provider.describe() == "ScriptedConfig(client_id='c')"
    assert repr(provider) == "<ScriptedProvider ScriptedConfig(client_id='c')>"


async def test_a_reply_is_decoded(broker: Broker) -> None:
    """A socket reads a message's payload as whatever type is wanted."""
    socket = broker.provider().create_socket()
    message = SpaMessage(topic="a", payload=b'{"n":7}', content_type="application/json")

    assert socket.decode(message, dict[str, int]) == {"n": 7}


async def test_what_the_transport_counts_is_handed_on(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's counters are those of its transport now, a copy; empty while it is closed or if nothing is counted."""
    socket = broker.provider().create_socket()
    counters = {"dropped": 3}

    assert socket.counters == {}
    async with socket:
        assert socket.counters == {}
        monkeypatch.setattr(type(socket._link.transport), "counters", counters, raising=False)
        seen = socket.counters
        counters["dropped"] = 4
        assert (seen, socket.counters) == ({"dropped": 3}, {"dropped": 4})
    assert socket.counters == {}
