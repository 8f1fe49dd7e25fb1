"""Sockets open and close; brokers begin and end with them."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from spa_core import SpaMessage
from spa_core.errors import ConnectError, EndOfSubscription, SocketClosedError
from spa_core.transport import ACK, BatchPublisher, Delivery, Subscription, SubscriptionSpec, TransportSocket
from spa_inmemory import MemoryConfig, MemorySocketProvider, broker

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.transport import ConnectionEvent
    from spa_inmemory import MemorySocket

pytestmark = pytest.mark.anyio

A = SubscriptionSpec(topics=("a",))
GROUP = SubscriptionSpec(topics=("a",), group="g")


async def test_contract(make_socket: Callable[..., MemorySocket]) -> None:
    """The transport's parts satisfy the contract's protocols."""
    async with make_socket() as socket, socket.subscribe(A) as subscription:
        await socket.publish(SpaMessage(topic="a"))
        (delivery,) = await subscription.receive_batch(1)

        assert isinstance(socket, TransportSocket)
        assert isinstance(socket, BatchPublisher)
        assert isinstance(subscription, Subscription)
        assert isinstance(delivery, Delivery)


async def test_states(make_socket: Callable[..., MemorySocket], events: list[ConnectionEvent]) -> None:
    """A socket says that it is connected when it was entered, and closed when it was left."""
    async with make_socket():
        assert [event.state for event in events] == ["connected"]

    assert [event.state for event in events] == ["connected", "closed"]


async def test_not_open(make_socket: Callable[..., MemorySocket]) -> None:
    """Before opening and after closing, every use raises SocketClosedError."""
    socket = make_socket()
    for _ in range(2):
        with pytest.raises(SocketClosedError):
            await socket.publish(SpaMessage(topic="a"))
        with pytest.raises(SocketClosedError):
            await socket.publish_many([SpaMessage(topic="a")])
        with pytest.raises(SocketClosedError):
            await socket.check()
        with pytest.raises(SocketClosedError):
            await socket.subscribe(A).__aenter__()
        async with socket:
            await socket.check()


async def test_open_twice(make_socket: Callable[..., MemorySocket]) -> None:
    """An open socket cannot be opened again, and stays open; a closed one can, and closing again does nothing."""
    socket = make_socket()
    async with socket:
        with pytest.raises(ConnectError, match="open already"):
            await socket.__aenter__()
        await socket.check()
    async with socket:
        await socket.check()
    await socket.__aexit__(None, None, None)


async def test_broker_is_shared_by_name(make_socket: Callable[..., MemorySocket]) -> None:
    """Sockets of one name share a broker, sockets of another name do not."""
    one, two, other = make_socket(), make_socket(), make_socket(name="another")
    async with one, two, other, one.subscribe(A) as subscription:
        assert await two.publish(SpaMessage(topic="a", payload=b"1"))
        assert not await other.publish(SpaMessage(topic="a", payload=b"2"))

        assert [each.message.payload for each in await subscription.receive_batch(9)] == [b"1"]


async def test_broker_is_forgotten(make_socket: Callable[..., MemorySocket], broker_name: str) -> None:
    """A broker lives while one of its sockets is open, and is then forgotten with all it holds."""
    async with make_socket() as first:
        async with make_socket() as second:
            async with second.subscribe(GROUP):
                pass
            await second.publish(SpaMessage(topic="r", payload=b"1", retain=True))
        assert await first.publish(SpaMessage(topic="a", payload=b"2"))
        async with first.subscribe(GROUP) as subscription:
            assert len(await subscription.receive_batch(1)) == 1

    assert broker_name not in broker._open
    async with make_socket() as socket, socket.subscribe(SubscriptionSpec(topics=("#",))) as subscription:
        await socket.publish(SpaMessage(topic="a", payload=b"3"))
        assert [each.message.payload for each in await subscription.receive_batch(9)] == [b"3"]


async def test_closing_ends_subscriptions(make_socket: Callable[..., MemorySocket]) -> None:
    """Closing a socket wakes its readers, ends its subscriptions and gives a group its messages back."""
    async with make_socket() as other:
        socket = await make_socket().__aenter__()
        group_context, context = socket.subscribe(GROUP), socket.subscribe(A)
        subscription, plain = await group_context.__aenter__(), await context.__aenter__()
        await other.publish(SpaMessage(topic="a"))
        (delivery,) = await subscription.receive_batch(1)
        (plain_delivery,) = await plain.receive_batch(1)

        async def read() -> None:
            with pytest.raises(EndOfSubscription):
                await subscription.receive_batch(1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await socket.__aexit__(None, None, None)

        assert not await delivery.settle(ACK)
        assert not await plain_delivery.settle(ACK)
        async with other.subscribe(GROUP) as successor:
            assert [each.attempt for each in await successor.receive_batch(9)] == [2]
        for each in (group_context, context):
            await each.__aexit__(None, None, None)


async def test_many_sockets(make_socket: Callable[..., MemorySocket], broker_name: str) -> None:
    """Sockets that open and close side by side leave nothing behind, and those that stay go on working."""

    async def come_and_go() -> None:
        async with make_socket() as socket, socket.subscribe(A) as subscription:
            await socket.publish(SpaMessage(topic="a"))
            await subscription.receive_batch(1)

    async with make_socket() as socket, socket.subscribe(SubscriptionSpec(topics=("a",))) as subscription:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(come_and_go)

        assert len(await subscription.receive_batch(100)) == 10
        assert broker._open[broker_name].sockets == 1
        assert len(broker._open[broker_name].broker._own) == 1


async def test_restart(broker_name: str) -> None:
    """A provider can open sockets again and again."""
    provider = MemorySocketProvider(MemoryConfig(name=broker_name))
    for _ in range(3):
        async with provider.open(lambda _: None) as socket, socket.subscribe(A) as subscription:
            await socket.publish(SpaMessage(topic="a"))

            assert len(await subscription.receive_batch(9)) == 1


async def test_other_loop(make_socket: Callable[..., MemorySocket], anyio_backend_name: str) -> None:
    """A second event loop is refused while sockets are open on the first, and welcome afterwards."""

    async def use() -> None:
        async with make_socket() as socket:
            await socket.check()

    async with make_socket():
        with pytest.raises(ConnectError, match=r"in use on another event loop \(open sockets: 1\)") as caught:
            await anyio.to_thread.run_sync(lambda: anyio.run(use, backend=anyio_backend_name))
        assert caught.value.hint
    await anyio.to_thread.run_sync(lambda: anyio.run(use, backend=anyio_backend_name))


def test_loop_that_is_gone(make_socket: Callable[..., MemorySocket], broker_name: str) -> None:
    """Sockets that nobody closed do not block their name once their event loop is gone."""

    def abandon() -> MemorySocket:
        loop = asyncio.new_event_loop()
        socket = loop.run_until_complete(make_socket().__aenter__())
        loop.close()
        return socket

    abandoned = abandon()
    gc.collect()
    with asyncio.Runner() as runner:
        socket = runner.run(make_socket().__aenter__())
        runner.run(abandoned.__aexit__(None, None, None))

        assert broker._open[broker_name].sockets == 1
        runner.run(socket.check())
        runner.run(socket.__aexit__(None, None, None))
    assert broker_name not in broker._open
