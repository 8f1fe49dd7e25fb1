"""Handlers that publish to their own topic, or to each other, come to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import SpaMessage
from spa_core.errors import QueueFullError
from spa_core.transport import ACK, SubscriptionSpec, current_delivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spa_inmemory import MemorySocket
    from spa_inmemory.members import MemoryDelivery
    from spa_inmemory.subscription import MemorySubscription

pytestmark = pytest.mark.anyio


def spec(topic: str, group: str | None = None) -> SubscriptionSpec:
    """Return a specification."""
    return SubscriptionSpec(topics=(topic,), group=group)


async def handle(subscription: MemorySubscription, handler: Callable[[MemoryDelivery], Awaitable[object]]) -> None:
    """Do what core's pipeline does with one batch."""
    for delivery in await subscription.receive_batch(100):
        token = current_delivery.set(delivery)
        try:
            await handler(delivery)
        finally:
            current_delivery.reset(token)
        await delivery.settle(ACK)


async def test_handler_publishes_to_its_own_topic(make_socket: Callable[..., MemorySocket]) -> None:
    """A handler that publishes to its own full queue goes on by the reserve, and fails at once beyond it."""
    async with make_socket(queue_size=2) as socket, socket.subscribe(spec("a")) as subscription:

        async def echo(_: MemoryDelivery) -> None:
            for _ in range(4):
                await socket.publish(SpaMessage(topic="a"))
            with pytest.raises(QueueFullError, match="circle"):
                await socket.publish(SpaMessage(topic="a"))

        await socket.publish(SpaMessage(topic="a"))
        await handle(subscription, echo)

        assert len(subscription._queue) == 4


async def test_two_handlers_publish_to_each_other(make_socket: Callable[..., MemorySocket]) -> None:
    """Handlers that answer each other one to one go on for ever, although their queues are full all the time."""
    handled = 0
    async with make_socket(queue_size=1) as socket, socket.subscribe(spec("a")) as a, socket.subscribe(spec("b")) as b:

        async def forward(subscription: MemorySubscription, topic: str) -> None:
            nonlocal handled

            async def handler(_: MemoryDelivery) -> None:
                nonlocal handled
                await socket.publish(SpaMessage(topic=topic))
                handled += 1

            while handled < 100:
                await handle(subscription, handler)
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forward, a, "b")
            tasks.start_soon(forward, b, "a")
            for topic in "abab":
                await socket.publish(SpaMessage(topic=topic))

    assert handled >= 100


async def test_pipeline_waits(make_socket: Callable[..., MemorySocket]) -> None:
    """A handler that publishes to a slower one waits for it: that is no circle."""
    got: list[bytes] = []
    async with make_socket(queue_size=1) as socket, socket.subscribe(spec("a")) as a, socket.subscribe(spec("b")) as b:

        async def forward(delivery: MemoryDelivery) -> None:
            for _ in range(5):
                await socket.publish(SpaMessage(topic="b", payload=delivery.message.payload))
                assert len(b._queue) == 1

        async def collect(delivery: MemoryDelivery) -> None:
            got.append(delivery.message.payload)

        await socket.publish(SpaMessage(topic="a", payload=b"1"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(handle, a, forward)
            while len(got) < 5:
                await anyio.wait_all_tasks_blocked()
                await handle(b, collect)

    assert got == [b"1"] * 5


async def test_circle_closed_by_leaving(make_socket: Callable[..., MemorySocket]) -> None:
    """A handler that waits for a member that leaves is let go when nobody else could make room."""
    group = spec("a", "g")
    async with make_socket(queue_size=1) as socket, socket.subscribe(group) as subscription:
        context = socket.subscribe(group)
        await context.__aenter__()
        await socket.publish(SpaMessage(topic="a"))

        async def echo(_: MemoryDelivery) -> None:
            await socket.publish_many([SpaMessage(topic="a")] * 2)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(handle, subscription, echo)
            await anyio.wait_all_tasks_blocked()
            assert len(subscription._queue) == 1
            await context.__aexit__(None, None, None)

        assert len(subscription._queue) == 2


async def test_what_a_handler_leaves_behind(make_socket: Callable[..., MemorySocket]) -> None:
    """A task that a handler started and that outlives it waits like anybody, since the handler is over."""
    async with make_socket(queue_size=1) as socket, socket.subscribe(spec("a")) as subscription:
        await socket.publish(SpaMessage(topic="a"))
        start = anyio.Event()

        async def background() -> None:
            await start.wait()
            await socket.publish(SpaMessage(topic="a"))

        async with anyio.create_task_group() as tasks:

            async def handler(_: MemoryDelivery) -> None:
                tasks.start_soon(background)

            await handle(subscription, handler)
            await socket.publish(SpaMessage(topic="a"))
            start.set()
            await anyio.wait_all_tasks_blocked()
            assert len(subscription._queue) == 1
            assert len(subscription._queue.publishers) == 1
            await subscription.receive_batch(1)


async def test_foreign_delivery(make_socket: Callable[..., MemorySocket]) -> None:
    """Within a handler of another transport, publishing waits like outside of handlers."""

    class Foreign:
        native = object()

    async with make_socket(queue_size=1, publish_timeout=0) as socket, socket.subscribe(spec("a")):
        await socket.publish(SpaMessage(topic="a"))
        token = current_delivery.set(Foreign())  # type: ignore[arg-type]
        with pytest.raises(QueueFullError, match="within 0 s"):
            await socket.publish(SpaMessage(topic="a"))
        current_delivery.reset(token)


async def test_wrapped_delivery(make_socket: Callable[..., MemorySocket]) -> None:
    """A delivery that core wrapped still tells whose handler runs."""
    async with make_socket(queue_size=1) as socket, socket.subscribe(spec("a")) as subscription:
        await socket.publish(SpaMessage(topic="a"))
        (delivery,) = await subscription.receive_batch(1)

        class Wrapped:
            native = delivery.native

        token = current_delivery.set(Wrapped())  # type: ignore[arg-type]
        await socket.publish_many([SpaMessage(topic="a")] * 2)
        current_delivery.reset(token)

        assert len(subscription._queue) == 2
