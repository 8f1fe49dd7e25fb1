"""What receiving and settling promise, on an event loop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from spa_core import SpaMessage
from spa_core.errors import EndOfSubscription
from spa_core.transport import ACK, Retry, SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_inmemory import MemorySocket
    from spa_inmemory.subscription import MemorySubscription

pytestmark = pytest.mark.anyio

A = SubscriptionSpec(topics=("a",))
GROUP = SubscriptionSpec(topics=("a",), group="g")


def message(number: int, **fields: object) -> SpaMessage:
    """Return a message told apart by its payload."""
    return SpaMessage.build("a", str(number), **fields)


async def receive(subscription: MemorySubscription, into: list[int], most: int = 1) -> None:
    """Receive one batch and settle it."""
    for delivery in await subscription.receive_batch(most):
        into.append(int(delivery.message.payload))
        await delivery.settle(ACK)


async def test_waits_for_a_message(make_socket: Callable[..., MemorySocket]) -> None:
    """A reader sleeps until something is published."""
    got: list[int] = []
    async with make_socket() as socket, socket.subscribe(A) as subscription, anyio.create_task_group() as tasks:
        tasks.start_soon(receive, subscription, got)
        await anyio.wait_all_tasks_blocked()
        assert got == []
        await socket.publish(message(1))

    assert got == [1]


async def test_lets_others_run(make_socket: Callable[..., MemorySocket]) -> None:
    """Receiving lets other tasks run and can be cancelled, however much there is to receive."""
    async with make_socket() as socket, socket.subscribe(A) as subscription, anyio.create_task_group() as tasks:
        await socket.publish(message(1))

        async def receive_for_ever() -> None:
            while True:
                (delivery,) = await subscription.receive_batch(1)
                await delivery.settle(Retry())

        tasks.start_soon(receive_for_ever)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def test_waits_for_prefetch(make_socket: Callable[..., MemorySocket]) -> None:
    """With its prefetch in flight a reader waits until something is settled."""
    got: list[int] = []
    spec = SubscriptionSpec(topics=("a",), prefetch=1)
    async with make_socket() as socket, socket.subscribe(spec) as subscription:
        await socket.publish_many([message(1), message(2)])
        (delivery,) = await subscription.receive_batch(10)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive, subscription, got)
            await anyio.wait_all_tasks_blocked()
            assert got == []
            await delivery.settle(ACK)

    assert got == [2]


async def test_two_calls_on_one_subscription(make_socket: Callable[..., MemorySocket]) -> None:
    """Several tasks can wait on one subscription; each message goes to one of them, and one can be cancelled."""
    got: list[int] = []
    async with make_socket() as socket, socket.subscribe(A) as subscription, anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(receive, subscription, got)
            await anyio.wait_all_tasks_blocked()
            for _ in range(2):
                tasks.start_soon(receive, subscription, got)
            await anyio.wait_all_tasks_blocked()
            cancelled.cancel_scope.cancel()
        tasks.start_soon(receive, subscription, got)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            await socket.publish(message(number))

    assert sorted(got) == [0, 1, 2]


async def test_cancelled_receive(make_socket: Callable[..., MemorySocket]) -> None:
    """A cancelled call loses no message, be it cancelled before, while, or after it was woken."""
    got: list[int] = []
    async with make_socket() as socket, socket.subscribe(A) as subscription:
        for number in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive, subscription, got)
                if number:
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
                if number == 2:
                    await socket.publish(message(1))  # lets nobody run
            assert got == []
        await socket.publish(message(2))
        await receive(subscription, got, 10)

    assert got == [1, 2]


async def test_wake_of_a_cancelled_member(make_socket: Callable[..., MemorySocket]) -> None:
    """A message for which a member was woken that is cancelled meanwhile goes to the next one that waits."""
    got: list[int] = []
    async with (
        make_socket() as socket,
        socket.subscribe(GROUP) as one,
        socket.subscribe(GROUP) as two,
        anyio.create_task_group() as tasks,
        anyio.create_task_group() as cancelled,
    ):
        cancelled.start_soon(receive, one, got)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(receive, two, got)
        await anyio.wait_all_tasks_blocked()
        cancelled.cancel_scope.cancel()
        await socket.publish(message(1))  # lets nobody run

    assert got == [1]


async def test_stop_fetching(make_socket: Callable[..., MemorySocket]) -> None:
    """Stopping wakes the reader for good, and leaves settling open."""
    async with make_socket() as socket, socket.subscribe(GROUP) as subscription, socket.subscribe(GROUP) as other:
        await socket.publish_many([message(1), message(2)])
        (delivery,) = await subscription.receive_batch(1)
        got: list[int] = []
        await receive(other, got)

        async def read() -> None:
            with pytest.raises(EndOfSubscription):
                await subscription.receive_batch(1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await subscription.stop_fetching()
            await subscription.stop_fetching()
        await socket.publish(message(3))
        await read()
        assert await delivery.settle(Retry())
        await receive(other, got, 10)

        assert got == [2, 1, 3]


async def test_stopped_without_group(make_socket: Callable[..., MemorySocket]) -> None:
    """A stopped subscription of its own gets nothing more, so that no publisher waits for it; settling stays open."""
    async with make_socket(queue_size=1) as socket, socket.subscribe(A) as subscription:
        await socket.publish(message(1))
        (delivery,) = await subscription.receive_batch(1)
        await socket.publish(message(2))
        await subscription.stop_fetching()

        assert await socket.publish(message(3)) is False
        assert await delivery.settle(Retry())
        with pytest.raises(EndOfSubscription):
            await subscription.receive_batch(1)


async def test_delayed_retry(make_socket: Callable[..., MemorySocket]) -> None:
    """A delayed message wakes a sleeping reader when it is due and not before, while others pass."""
    async with make_socket() as socket, socket.subscribe(A) as subscription:
        await socket.publish(message(1))
        (delivery,) = await subscription.receive_batch(1)
        got: list[tuple[bytes, int, float]] = []

        async def read() -> None:
            while len(got) < 2:
                for each in await subscription.receive_batch(10):
                    got.append((each.message.payload, each.attempt, anyio.current_time()))
                    await each.settle(ACK)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            due = anyio.current_time() + 0.01
            await delivery.settle(Retry(delay=0.01))
            await socket.publish(message(2))

    assert [(payload, attempt) for payload, attempt, _ in got] == [(b"2", 1), (b"1", 2)]
    assert got[1][2] >= due


async def test_ttl(make_socket: Callable[..., MemorySocket]) -> None:
    """An expired message is not delivered but counted; one without a limit, or in time, is delivered."""
    async with make_socket() as socket, socket.subscribe(A) as subscription:
        await socket.publish_many([message(1, ttl=0.0), message(2, ttl=60.0), message(3)])
        got: list[int] = []
        await receive(subscription, got, 10)

        assert got == [2, 3]
        assert subscription.expired == 1


# -- groups ------------------------------------------------------------------------------------------------------------


async def test_groups_share_and_fan_out(make_socket: Callable[..., MemorySocket]) -> None:
    """Each group gets every message, and within a group each message goes to one member."""
    got: dict[str | None, list[int]] = {"g": [], "h": []}
    async with make_socket() as socket, AsyncExitStack() as stack:
        specs = [SubscriptionSpec(topics=("a",), group=group) for group in ("g", "g", "h", "h", "h")]
        subscriptions = [await stack.enter_async_context(socket.subscribe(spec)) for spec in specs]

        async def read(group: str | None, subscription: MemorySubscription) -> None:
            while True:
                await receive(subscription, got[group], 10)
                if sum(map(len, got.values())) == 200:
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for spec, subscription in zip(specs, subscriptions, strict=True):
                tasks.start_soon(read, spec.group, subscription)
            await socket.publish_many([message(number) for number in range(100)])

    assert [sorted(each) for each in got.values()] == [list(range(100))] * 2


async def test_members_take_turns(make_socket: Callable[..., MemorySocket]) -> None:
    """Members that wait are served in turn, the longest idle first."""
    got: list[str] = []
    async with make_socket() as socket, AsyncExitStack() as stack, anyio.create_task_group() as tasks:

        async def read(name: str, subscription: MemorySubscription) -> None:
            for _ in range(2):
                (delivery,) = await subscription.receive_batch(10)
                got.append(name)
                await delivery.settle(ACK)

        for name in ("ann", "bob", "cid"):
            tasks.start_soon(read, name, await stack.enter_async_context(socket.subscribe(GROUP)))
            await anyio.wait_all_tasks_blocked()
        for number in range(6):
            await socket.publish(message(number))
            await anyio.wait_all_tasks_blocked()

    assert got == ["ann", "bob", "cid"] * 2


async def test_group_outlives_its_members(make_socket: Callable[..., MemorySocket]) -> None:
    """A group keeps its messages while it has no members."""
    async with make_socket() as socket:
        async with socket.subscribe(GROUP):
            pass
        await socket.publish_many([message(1), message(2)])
        async with socket.subscribe(GROUP) as subscription:
            assert len(await subscription.receive_batch(10)) == 2
        async with socket.subscribe(GROUP) as subscription:
            batch = await subscription.receive_batch(10)

            assert [(each.message.payload, each.attempt, each.redelivered) for each in batch] == [
                (b"1", 2, True),
                (b"2", 2, True),
            ]


async def test_same_filters_same_group(make_socket: Callable[..., MemorySocket]) -> None:
    """Members of a group share a queue if they ask for the same filters, in whatever order."""
    async with make_socket() as socket:
        specs = [SubscriptionSpec(topics=topics, group="g") for topics in (("a", "b"), ("b", "a"))]
        async with socket.subscribe(specs[0]) as one, socket.subscribe(specs[1]) as two:
            assert one._queue is two._queue


async def test_crash_of_a_member(make_socket: Callable[..., MemorySocket]) -> None:
    """What a member had when it crashed goes to another that is waiting already."""
    got: list[int] = []

    async def crash() -> None:
        async with socket.subscribe(GROUP) as subscription:
            await subscription.receive_batch(10)
            message = "boom"
            raise RuntimeError(message)

    async with make_socket() as socket, socket.subscribe(GROUP) as survivor:
        await socket.publish(message(1))
        async with anyio.create_task_group() as tasks:
            with pytest.raises(RuntimeError, match="boom"):
                await crash()
            tasks.start_soon(receive, survivor, got)

    assert got == [1]


async def test_order_of_keys(make_socket: Callable[..., MemorySocket]) -> None:
    """Messages of one key are handled in order, one after the other, however many members there are."""
    handled: dict[bytes | None, list[int]] = {}
    busy: set[bytes | None] = set()
    async with make_socket() as socket, AsyncExitStack() as stack:
        subscriptions = [await stack.enter_async_context(socket.subscribe(GROUP)) for _ in range(4)]

        async def read(subscription: MemorySubscription) -> None:
            while True:
                for delivery in await subscription.receive_batch(3):
                    key = delivery.message.key
                    assert key not in busy
                    busy.add(key)
                    await anyio.lowlevel.checkpoint()
                    handled.setdefault(key, []).append(int(delivery.message.payload))
                    busy.remove(key)
                    await delivery.settle(ACK)
                if sum(map(len, handled.values())) == 200:
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for subscription in subscriptions:
                tasks.start_soon(read, subscription)
            for number in range(200):
                await socket.publish(message(number, key=str(number % 7)))

    assert len(handled) == 7
    assert all(numbers == sorted(numbers) for numbers in handled.values())


# -- retained ----------------------------------------------------------------------------------------------------------


async def test_retained(make_socket: Callable[..., MemorySocket]) -> None:
    """Those who are there get a plain copy, those who come later one that says that it is retained."""
    async with make_socket() as socket, socket.subscribe(A) as live:
        await socket.publish(message(1, retain=True))
        async with socket.subscribe(SubscriptionSpec(topics=("a", "#"))) as late:
            batches = [await each.receive_batch(10) for each in (live, late)]

            assert [[each.message.retain for each in batch] for batch in batches] == [[False], [True]]
            assert {each.message.payload for batch in batches for each in batch} == {b"1"}
            await socket.publish(SpaMessage(topic="a", retain=True))
            assert [each.message.payload for each in await live.receive_batch(1)] == [b""]
        async with socket.subscribe(A) as later:
            await socket.publish(message(2))

            assert [each.message.payload for each in await later.receive_batch(10)] == [b"2"]


async def test_retained_not_for_groups_nor_replies(make_socket: Callable[..., MemorySocket]) -> None:
    """Groups and reply subscriptions get new messages only."""
    specs = [GROUP, SubscriptionSpec(topics=("a",), reply=True)]
    async with make_socket() as socket:
        await socket.publish(message(1, retain=True))
        for spec in specs:
            async with socket.subscribe(spec) as subscription:
                await socket.publish(message(2))

                assert [each.message.payload for each in await subscription.receive_batch(10)] == [b"2"]


async def test_retained_beyond_the_queue(make_socket: Callable[..., MemorySocket]) -> None:
    """Retained messages all come, although they are more than the queue takes; an expired one does not."""
    async with make_socket(queue_size=1) as socket:
        for number in range(5):
            await socket.publish(SpaMessage(topic=f"r/{number}", payload=b"1", retain=True, ttl=60 if number else 0))
        async with socket.subscribe(SubscriptionSpec(topics=("r/+",))) as subscription:
            batch = await subscription.receive_batch(10)

            assert [each.message.topic for each in batch] == [f"r/{number}" for number in range(1, 5)]
