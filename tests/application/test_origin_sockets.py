"""The rows of the origin's interface about sockets, socket providers and their factory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import PayloadFormat, SocketConfig, SocketProvider, SocketProviderFactory, SpaMessage, SpaSocket
from spa_core.errors import ConfigurationError, ParameterError, RequestTimeoutError
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

NORTH, SOUTH = "plants/north", "plants/south"

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
"""For programs that use an ``asyncio.Queue``, as the origin's own did."""


@pytest.fixture
def provider() -> MemorySocketProvider:
    """Return a provider without default topics."""
    return MemorySocketProvider(MemoryConfig(name="origin"))


async def next_payload(socket: SpaSocket) -> bytes:
    """Return the payload of the next message."""
    with anyio.fail_after(5):
        return (await anext(aiter(socket))).payload


async def answer(socket: SpaSocket) -> None:
    """Answer requests as the origin's programs do: by publishing to the response topic."""
    async for message in socket:
        assert message.response_topic is not None
        await socket.publish(SpaMessage(payload=b"re: " + message.payload, topic=message.response_topic))


@pytest.mark.parametrize("topics", [NORTH, [NORTH], [NORTH, SOUTH]], ids=["one", "list", "list of two"])
async def test_spa_socket_subscribe(topics: str | list[str], provider: MemorySocketProvider) -> None:
    """A socket subscribes to one topic or to a list, and leaves it in the same words."""
    async with provider.create_socket() as socket, provider.create_socket() as other:
        messages = aiter(socket)
        await socket.subscribe(topics)
        await other.publish(SpaMessage(payload="1", topic=NORTH))
        first = await anext(messages)
        await socket.unsubscribe(topics)
        await other.publish(SpaMessage(payload="2", topic=NORTH))
        await socket.subscribe(topics)
        await other.publish(SpaMessage(payload="3", topic=NORTH))
        second = await anext(messages)

    assert (first.payload, second.payload) == (b"1", b"3")


async def test_spa_socket_by_name(provider: MemorySocketProvider) -> None:
    """The origin's parameter names work as keywords."""
    message = SpaMessage(payload="1", topic=NORTH)
    async with provider.create_socket(queue=None) as socket, anyio.create_task_group() as tasks:
        await socket.subscribe(topic=NORTH)
        tasks.start_soon(answer, socket)
        reply = await socket.request(message=message)
        await socket.unsubscribe(topic=NORTH)
        await socket.publish(message=message)
        tasks.cancel_scope.cancel()

    assert reply.payload == b"re: 1"


async def test_spa_socket_request(provider: MemorySocketProvider) -> None:
    """``request(message)`` returns the reply and leaves the caller's message as it was."""
    question = SpaMessage(payload="1", topic=NORTH)
    async with provider.create_socket() as socket, anyio.create_task_group() as tasks:
        await socket.subscribe(NORTH)
        tasks.start_soon(answer, socket)
        reply = await socket.request(question, timeout=5.0)
        tasks.cancel_scope.cancel()

    assert reply.payload == b"re: 1"
    assert question.response_topic is None


async def test_spa_socket_request_timeout(provider: MemorySocketProvider) -> None:
    """A request waits 30 s unless it says otherwise; the origin's waited for ever."""
    async with provider.create_socket() as socket:
        await socket.subscribe(NORTH)
        with pytest.raises(RequestTimeoutError):
            await socket.request(SpaMessage(payload="1", topic=NORTH), timeout=0.01)

    assert provider.config.request_timeout == 30.0


async def test_spa_socket_context_manager(provider: MemorySocketProvider) -> None:
    """A socket is connected while it is entered."""
    socket = provider.create_socket(None)
    before = socket.connected
    async with socket as entered:
        during = socket.connected

    assert entered is socket
    assert (before, during, socket.connected) == (False, True, False)


@on_asyncio
async def test_create_socket_with_a_queue(provider: MemorySocketProvider) -> None:
    """``create_socket(queue)`` puts every message of the default topics, and of later ones, into the queue."""
    queue: asyncio.Queue[SpaMessage] = asyncio.Queue()
    async with provider.rebuild(topics=NORTH).create_socket(queue) as socket:
        await socket.publish(SpaMessage(payload="1", topic=NORTH))
        await socket.subscribe(SOUTH)
        await socket.publish(SpaMessage(payload="2", topic=SOUTH))
        with anyio.fail_after(5):
            received = [await queue.get(), await queue.get()]

    assert sorted(message.payload for message in received) == [b"1", b"2"]


CHANGES: dict[str, Callable[[SocketProvider[Any]], SocketProvider[Any]]] = {
    "overwrite_config of 0.2": lambda provider: provider.overwrite_config(topics=NORTH),
    "rebuild": lambda provider: provider.rebuild(topics=NORTH),
    "rebuild by position": lambda provider: provider.rebuild([NORTH]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_socket_provider_rebuild(change: str, provider: MemorySocketProvider) -> None:
    """Changing a provider makes a new one, whatever the method is called, and leaves the old one alone."""
    changed = CHANGES[change](provider)

    assert changed is not provider
    assert changed.config.default_subscription_topics == (NORTH,)
    assert provider.config.default_subscription_topics == ()


def test_socket_provider_rebuild_without_topics(provider: MemorySocketProvider) -> None:
    """``rebuild(topics=None)`` keeps the default topics, as in the origin; other fields can be changed with it."""
    listening = provider.rebuild(topics=NORTH)

    assert listening.rebuild().config == listening.rebuild(topics=None).config == listening.config
    assert listening.rebuild(client_id="c1").config == listening.overwrite_config(client_id="c1").config


def test_socket_provider_rebuild_wrong(provider: MemorySocketProvider) -> None:
    """A field that does not exist is refused, where the origin ignored it."""
    with pytest.raises(ParameterError):
        provider.rebuild(topics=NORTH, queue_sise=5)


def test_from_config() -> None:
    """The factory takes a plain configuration, as 0.2 did, and a ``SocketConfig`` around it, as 0.3 and 0.4 did."""
    config = MemoryConfig(name="origin")
    plain = SocketProviderFactory.from_config(config)
    wrapped = SocketProviderFactory.from_config(SocketConfig(payload_format=PayloadFormat.JSON, socket_config=config))

    assert plain.config == wrapped.config == config
    assert plain.envelope is None
    assert wrapped.envelope is not None


def test_from_url() -> None:
    """``from_url``, never implemented in the origin, works."""
    provider = SocketProviderFactory.from_url(f"memory://origin?topics={NORTH}")

    assert provider.config == MemoryConfig(name="origin", default_subscription_topics=NORTH)


def test_payload_format() -> None:
    """The origin's five formats are there, by name and by value."""
    assert {each.name: each.value for each in PayloadFormat} == {
        "JSON": "json",
        "TOML": "toml",
        "YAML": "yaml",
        "PROTOBUF": "protobuf",
        "SIDL": "sidl",
    }
    assert SocketConfig(payload_format="json", socket_config=None).payload_format is PayloadFormat.JSON  # type: ignore[arg-type]


@pytest.mark.parametrize("other", sorted(set(PayloadFormat) - {PayloadFormat.JSON}, key=lambda each: each.value))
def test_payload_format_without_envelope(other: PayloadFormat) -> None:
    """Every format but JSON, none of which ever worked, raises a typed error that leads to the codec plugins."""
    config = SocketConfig(payload_format=other, socket_config=MemoryConfig(name="origin"))

    with pytest.raises(ConfigurationError) as raised:
        SocketProviderFactory.from_config(config)

    assert other.name in raised.value.message
    assert "spa_core.codecs" in (raised.value.hint or "")
    assert other.value in (raised.value.hint or "")


async def test_provider_made_directly() -> None:
    """A provider is made directly from a configuration, as ``MqttSocketProvider(config)`` was."""
    provider = MemorySocketProvider(MemoryConfig(name="origin", default_subscription_topics=[NORTH]))
    async with provider.create_socket() as socket:
        await socket.publish(SpaMessage(payload="1", topic=NORTH))
        received = await next_payload(socket)

    assert received == b"1"
