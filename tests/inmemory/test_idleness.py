"""Whether anything is left to do at a broker, and waiting until nothing is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core.message import SpaMessage
from spa_core.testing.clock import virtual_time
from spa_core.transport import ACK, Retry, SubscriptionSpec
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any

    from spa_inmemory import MemorySocket
    from spa_inmemory.subscription import MemorySubscription

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, on virtual time: one that waits in vain is reported."""
    return request.param, virtual_time(request.param)


@pytest.fixture
def provider(broker_name: str) -> MemorySocketProvider:
    """A provider of a broker that no other test uses."""
    return MemorySocketProvider(MemoryConfig(name=broker_name))


@asynccontextmanager
async def subscribed(
    provider: MemorySocketProvider, **spec: Any
) -> AsyncIterator[tuple[MemorySocket, MemorySubscription]]:
    """Open a socket and subscribe to "a"."""
    async with (
        provider.open(lambda _: None) as socket,
        socket.subscribe(SubscriptionSpec(topics=("a",), **spec)) as subscription,
    ):
        yield socket, subscription


async def idle_after(provider: MemorySocketProvider, work: Callable[[], Awaitable[object]]) -> None:
    """Check that whoever waits for idleness is told by what *work* does, and not before."""
    assert not provider.is_idle()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(provider.until_idle)
            await anyio.lowlevel.checkpoint()
            assert not provider.is_idle()
            await work()

    assert provider.is_idle()


async def test_nobody_there(provider: MemorySocketProvider) -> None:
    """A broker without sockets is idle, and so is one without messages."""
    assert provider.is_idle()
    await provider.until_idle()
    async with subscribed(provider):
        assert provider.is_idle()
        await provider.until_idle()


@pytest.mark.parametrize("group", [None, "workers"])
async def test_until_settled(provider: MemorySocketProvider, group: str | None) -> None:
    """A broker is idle once everything that waited was taken and settled."""
    async with subscribed(provider, group=group) as (socket, subscription):
        await socket.publish(SpaMessage(topic="a"))
        await socket.publish(SpaMessage(topic="a"))

        async def work() -> None:
            for _ in range(2):
                [delivery] = await subscription.receive_batch(1)
                assert not provider.is_idle()
                await delivery.settle(ACK)

        await idle_after(provider, work)


async def test_delayed(provider: MemorySocketProvider) -> None:
    """What is to be delivered again later is left to do until then."""
    async with subscribed(provider) as (socket, subscription):
        await socket.publish(SpaMessage(topic="a"))

        async def work() -> None:
            [delivery] = await subscription.receive_batch(1)
            await delivery.settle(Retry(30))
            assert not provider.is_idle()
            [delivery] = await subscription.receive_batch(1)
            await delivery.settle(ACK)

        await idle_after(provider, work)


async def test_expired(provider: MemorySocketProvider) -> None:
    """What has expired is not left to do any more once it was passed over."""
    async with subscribed(provider) as (socket, subscription):
        await socket.publish(SpaMessage(topic="a", ttl=1))

        async def work() -> None:
            await anyio.sleep(2)
            with anyio.move_on_after(1):
                await subscription.receive_batch(1)

        await idle_after(provider, work)


async def test_nobody_takes(provider: MemorySocketProvider) -> None:
    """What waits for a group that nobody reads for is not left to do."""
    async with provider.open(lambda _: None) as socket:
        async with socket.subscribe(SubscriptionSpec(topics=("a",), group="workers")) as subscription:
            await socket.publish(SpaMessage(topic="a"))
            await idle_after(provider, subscription.stop_fetching)

        await socket.publish(SpaMessage(topic="a"))

        assert provider.is_idle()


async def test_drained(provider: MemorySocketProvider) -> None:
    """What a member that takes no more has in hand is left to do until it is settled, or the member has left."""
    async with subscribed(provider) as (socket, subscription):
        await socket.publish(SpaMessage(topic="a"))
        [delivery] = await subscription.receive_batch(1)
        await subscription.stop_fetching()
        await idle_after(provider, lambda: delivery.settle(ACK))

    async with provider.open(lambda _: None) as socket:
        async with socket.subscribe(SubscriptionSpec(topics=("a",))) as subscription:
            await socket.publish(SpaMessage(topic="a"))
            await subscription.receive_batch(1)
            assert not provider.is_idle()

        assert provider.is_idle()


async def test_cancelled(provider: MemorySocketProvider) -> None:
    """Who waits no longer is forgotten."""
    async with subscribed(provider) as (socket, subscription):
        await socket.publish(SpaMessage(topic="a"))
        with anyio.move_on_after(1) as scope:
            await provider.until_idle()
        assert scope.cancelled_caught
        [delivery] = await subscription.receive_batch(1)
        await delivery.settle(ACK)

        assert provider.is_idle()
