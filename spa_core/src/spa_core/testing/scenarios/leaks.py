"""
What is left when a socket was closed, and what grows while one is open: nothing.

Every scenario of the suite is also checked for tasks, threads and descriptors that it leaves behind.
"""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Final

import anyio
from anyio.lowlevel import checkpoint

from spa_core.testing.parties import answering, echo
from spa_core.testing.resources import Resources
from spa_core.testing.scenario import scenario
from spa_core.transport import SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spa_core.testing.kit import Kit

__all__ = ["Leaks"]

CYCLES: Final = 500
DEADLINES: Final = 2000
"""More than an event loop keeps of deadlines whose scopes were left in time."""
WARM_UP: Final = 20
"""Cycles that may grow something: caches, pools, and what is imported on first use."""


class Leaks:
    """Scenarios about what is left behind."""

    @scenario(alone=True)
    async def test_a_whole_life_leaves_nothing_open(self, kit: Kit) -> None:
        """A socket that subscribed, published, asked and iterated leaves no task, thread or descriptor behind."""
        topic, asked = kit.topic(), kit.topic()

        async def live() -> None:
            async with kit.spa_socket() as socket:
                await socket.subscribe([topic, kit.topic()], group=kit.own_group())
                await socket.subscribe(kit.topic(), group=kit.own_group())
                await socket.publish(topic, b"to itself")
                if kit.capabilities.reply:
                    await socket.request(asked, b"to another", timeout=kit.patience)
                with anyio.fail_after(kit.patience):
                    await anext(socket.__aiter__())

        async with answering(kit, asked, echo):
            await live()  # what the answering one begins with the first request stays
            before = Resources.now()
            await live()
            await kit.nothing_left_since(before)

    @scenario(alone=True)
    async def test_a_failing_owner_leaves_nothing_open(self, kit: Kit) -> None:
        """When the program fails in the middle of its work, its error comes out and nothing is left open."""
        topic = kit.topic()
        before = Resources.now()
        failure = LookupError("the program's own")
        caught: list[BaseException] = []
        try:
            async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
                await kit.publish(socket, topic, b"never settled")
                await kit.receive(subscription)
                raise failure
        except LookupError as error:
            caught.append(error)
        await kit.nothing_left_since(before)
        assert caught == [failure]

    @scenario(alone=True)
    async def test_five_hundred_sockets_grow_nothing(self, kit: Kit) -> None:
        """Opening and closing a socket five hundred times leaves tasks, descriptors and objects as they were."""

        async def open_and_close() -> None:
            async with kit.socket() as socket:
                await socket.check()

        await _assert_flat(kit, open_and_close)

    @scenario(alone=True)
    async def test_five_hundred_subscriptions_grow_nothing(self, kit: Kit) -> None:
        """Subscribing and leaving five hundred times leaves a socket's tasks, descriptors and objects as they were."""
        topic = kit.topic()
        async with kit.socket() as socket:

            async def subscribe_and_leave() -> None:
                async with socket.subscribe(SubscriptionSpec(topics=(topic,), group=group)):
                    pass

            group = kit.own_group()
            await _assert_flat(kit, subscribe_and_leave)

    @scenario(alone=True)
    async def test_handled_messages_are_forgotten(self, kit: Kit) -> None:
        """Two thousand messages that one socket sent, received and acknowledged leave no memory in use behind them."""
        topic = kit.topic()
        tracing = tracemalloc.is_tracing()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:

            async def send_and_take(count: int) -> int:
                for _ in range(count // 50):
                    await kit.publish(socket, topic, *(kit.random.randbytes(1000) for _ in range(50)))
                    await kit.take(subscription, 50)
                gc.collect()
                return tracemalloc.get_traced_memory()[0]

            tracemalloc.start()
            try:
                before = await send_and_take(500)
                after = await send_and_take(2000)
            finally:
                if not tracing:
                    tracemalloc.stop()
        # Some hundred bytes a message would be an id or an offset that is kept of each.
        assert after - before < 2000 * 50


async def _assert_flat(kit: Kit, cycle: Callable[[], Awaitable[None]]) -> None:
    """Fail if many cycles leave something that few do not."""
    for _ in range(WARM_UP):
        await cycle()
    before, objects = Resources.now(), await _live_objects()
    for _ in range(CYCLES):
        await cycle()
    await kit.nothing_left_since(before)
    grown = await _live_objects() - objects
    assert grown < CYCLES // 5, f"{grown} objects more after {CYCLES} cycles"


async def _live_objects() -> int:
    # A transport may set a deadline for each opening; event loops forget those not reached when there are many of them.
    for _ in range(DEADLINES):
        with anyio.move_on_after(3600):  # noqa: ASYNC100 - it is there to be left
            pass
    await checkpoint()
    gc.collect()
    return len(gc.get_objects())
