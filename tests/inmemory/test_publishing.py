"""What publishing promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import SpaMessage
from spa_core.errors import QueueFullError, SocketClosedError
from spa_core.transport import SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_inmemory import MemorySocket
    from spa_inmemory.subscription import MemorySubscription

pytestmark = pytest.mark.anyio


def message(number: int, topic: str = "a") -> SpaMessage:
    """Return a message told apart by its payload."""
    return SpaMessage(topic=topic, payload=str(number))  # type: ignore[arg-type]  # a str is stored as bytes


async def received(subscription: MemorySubscription) -> list[int]:
    """Return the numbers of the messages that wait."""
    return [int(each.message.payload) for each in await subscription.receive_batch(10_000)]


def spec(*topics: str, group: str | None = None, prefetch: int = 10_000) -> SubscriptionSpec:
    """Return a specification."""
    return SubscriptionSpec(topics=topics, group=group, prefetch=prefetch)


async def test_everything_arrives(make_socket: Callable[..., MemorySocket]) -> None:
    """A message arrives as the object that was published, so nothing of it can be lost."""
    original = SpaMessage(
        topic="ä/b", payload=bytes(range(256)), key=b"k", headers={"h": "✓"}, ttl=9, content_type="x/y"
    )
    async with make_socket() as socket, socket.subscribe(spec("ä/+")) as subscription:
        await socket.publish(original)
        (delivery,) = await subscription.receive_batch(1)

        assert delivery.message is original


async def test_in_every_queue_on_return(make_socket: Callable[..., MemorySocket]) -> None:
    """When publish returns, the message is in every matching queue, once, and in no other."""
    async with (
        make_socket() as socket,
        socket.subscribe(spec("a/+", "a/#", "a/b")) as one,
        socket.subscribe(spec("#")) as two,
        socket.subscribe(spec("b")) as other,
        socket.subscribe(spec("a/b", group="g")) as group,
    ):
        await socket.publish(message(1, "a/b"))

        assert [await received(each) for each in (one, two, group)] == [[1], [1], [1]]
        assert len(other._queue) == 0


async def test_nobody_listens(make_socket: Callable[..., MemorySocket]) -> None:
    """Publishing says whether anybody listens; a group that was there still does."""
    async with make_socket() as socket:
        assert await socket.publish(message(1)) is False
        async with socket.subscribe(spec("a")):
            assert await socket.publish(message(2)) is True
        assert await socket.publish(message(3)) is False
        async with socket.subscribe(spec("a", group="g")):
            pass
        assert await socket.publish(message(4)) is True


async def test_publish_many(make_socket: Callable[..., MemorySocket]) -> None:
    """A batch arrives in order, and an empty one does nothing."""
    async with make_socket(queue_size=1000) as socket, socket.subscribe(spec("a")) as subscription:
        await socket.publish_many([])
        await socket.publish_many([message(number) for number in range(1000)])

        assert await received(subscription) == list(range(1000))


async def test_publish_many_waits_in_order(make_socket: Callable[..., MemorySocket]) -> None:
    """A batch larger than the queue waits for room again and again, and arrives in order."""
    numbers: list[int] = []
    async with (
        make_socket(queue_size=3) as socket,
        socket.subscribe(spec("a")) as subscription,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(socket.publish_many, [message(number) for number in range(50)])
        while len(numbers) < 50:
            numbers += await received(subscription)

    assert numbers == list(range(50))


async def test_publish_many_stops_at_an_error(make_socket: Callable[..., MemorySocket]) -> None:
    """Messages before the one that is refused are in their queues, those behind are not."""
    async with make_socket(queue_size=2, overflow="error") as socket, socket.subscribe(spec("a")) as subscription:
        with pytest.raises(QueueFullError):
            await socket.publish_many([message(number) for number in range(5)])

        assert await received(subscription) == [0, 1]


@pytest.mark.parametrize("many", [True, False])
async def test_publishing_lets_others_run(make_socket: Callable[..., MemorySocket], *, many: bool) -> None:
    """A loop that only publishes lets other tasks run and can be cancelled."""
    async with make_socket() as socket:

        async def publish_for_ever() -> None:
            while True:
                if many:
                    await socket.publish_many([message(1)])
                else:
                    await socket.publish(message(1))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish_for_ever)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def test_closed_while_letting_others_run(make_socket: Callable[..., MemorySocket]) -> None:
    """A socket that another task closes during a publish raises SocketClosedError there."""
    socket = await make_socket().__aenter__()

    async def publish_for_ever() -> None:
        with pytest.raises(SocketClosedError):
            await socket.publish_many([message(1)] * 1000)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish_for_ever)
        await anyio.lowlevel.checkpoint()
        await socket.__aexit__(None, None, None)


async def test_many_publishers(make_socket: Callable[..., MemorySocket]) -> None:
    """Twenty publishers at once lose nothing, and each keeps its order, although the queue is small."""
    numbers: list[int] = []
    async with make_socket(queue_size=7) as socket, socket.subscribe(spec("a")) as subscription:

        async def publish(first: int) -> None:
            for number in range(first, first + 30):
                await socket.publish(message(number))

        async with anyio.create_task_group() as tasks:
            for publisher in range(20):
                tasks.start_soon(publish, publisher * 100)
            while len(numbers) < 600:
                numbers += await received(subscription)

    for publisher in range(20):
        own = [number for number in numbers if number // 100 == publisher]
        assert own == list(range(publisher * 100, publisher * 100 + 30))


# -- full queues -------------------------------------------------------------------------------------------------------


async def test_overflow_error(make_socket: Callable[..., MemorySocket]) -> None:
    """Told not to wait, a publish into a full queue fails at once, naming it; other queues have the message."""
    slow, socket = make_socket(queue_size=1, client_name="slow"), make_socket(overflow="error")
    async with slow, socket, slow.subscribe(spec("a")), socket.subscribe(spec("#")) as other:
        await socket.publish(message(1))
        with pytest.raises(QueueFullError, match=r"the queue of slow on a is full \(limit 1\)") as caught:
            await socket.publish(message(2))

        assert (caught.value.limit, caught.value.topic) == (1, "a")
        assert await received(other) == [1, 2]


async def test_timeout(make_socket: Callable[..., MemorySocket]) -> None:
    """A publish that found no room in time fails, naming the queue, and leaves the socket usable."""
    socket = make_socket(queue_size=1, publish_timeout=0.005)
    async with socket, socket.subscribe(spec("a", group="g")) as subscription:
        await socket.publish(message(1))
        with pytest.raises(QueueFullError, match=r"group 'g' on a .* nobody made room within 0.005 s"):
            await socket.publish(message(2))

        assert await received(subscription) == [1]
        await socket.publish(message(3))
        assert await received(subscription) == [3]


async def test_only_the_full_queue_is_waited_for(make_socket: Callable[..., MemorySocket]) -> None:
    """Queues with room get the message at once; the publish returns when the full one has it too."""
    done: list[bool] = []
    slow, socket = make_socket(queue_size=1), make_socket()
    async with slow, socket, slow.subscribe(spec("a")) as full, socket.subscribe(spec("a")) as roomy:
        await socket.publish(message(1))

        async def publish() -> None:
            done.append(await socket.publish(message(2)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await anyio.wait_all_tasks_blocked()
            assert await received(roomy) == [1, 2]
            assert done == []
            assert await received(full) == [1]
        assert done == [True]
        assert await received(full) == [2]


async def test_cancelled_publish(make_socket: Callable[..., MemorySocket]) -> None:
    """A publish that is cancelled while it waits leaves its place to the next one, and the socket stays usable."""
    async with make_socket(queue_size=1) as socket, socket.subscribe(spec("a")) as subscription:
        await socket.publish(message(1))
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as cancelled:
                cancelled.start_soon(socket.publish, message(2))
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(socket.publish, message(3))
                await anyio.wait_all_tasks_blocked()
                cancelled.cancel_scope.cancel()

            assert await received(subscription) == [1]
            assert await received(subscription) == [3]


async def test_closing_ends_waiting(make_socket: Callable[..., MemorySocket]) -> None:
    """A publish that waits when its socket is closed raises SocketClosedError, and its message goes nowhere else."""
    async with make_socket(queue_size=1) as reader, reader.subscribe(spec("a")) as subscription:
        socket = await make_socket().__aenter__()
        await socket.publish(message(1))

        async def publish() -> None:
            with pytest.raises(SocketClosedError):
                await socket.publish(message(2))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await anyio.wait_all_tasks_blocked()
            await socket.__aexit__(None, None, None)

        assert await received(subscription) == [1]


async def test_closed_after_waiting(make_socket: Callable[..., MemorySocket]) -> None:
    """A batch that got room goes no further if its socket was closed before it went on."""
    async with make_socket(queue_size=1) as reader, reader.subscribe(spec("a")) as subscription:
        socket = await make_socket().__aenter__()

        async def publish() -> None:
            with pytest.raises(SocketClosedError):
                await socket.publish_many([message(number) for number in range(3)])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await anyio.wait_all_tasks_blocked()
            assert [each.message.payload for each in subscription._queue.take(subscription._member, 1)] == [b"0"]
            await socket.__aexit__(None, None, None)

        assert await received(subscription) == [1]


@pytest.mark.parametrize("leave", [True, False])
async def test_reader_gone(make_socket: Callable[..., MemorySocket], *, leave: bool) -> None:
    """A publish that waits for a subscription of its own returns when the subscription ends, or only drains."""
    async with make_socket(queue_size=1) as socket:
        context = socket.subscribe(spec("a"))
        subscription = await context.__aenter__()
        await socket.publish(message(1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.publish, message(2))
            await anyio.wait_all_tasks_blocked()
            if leave:
                await context.__aexit__(None, None, None)
            else:
                await subscription.stop_fetching()
        assert await socket.publish(message(3)) is False
        await context.__aexit__(None, None, None)
