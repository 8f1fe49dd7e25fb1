"""
From subscriptions to handlers: pulls batches and runs handlers, one after the other or many at once in ordered lanes.

No task, lock, event or cancel scope is made for a message; a side that must wait makes one event.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

import anyio

from spa_core._delivery.handling import Handling
from spa_core._delivery.lanes import Lanes
from spa_core._delivery.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from anyio.abc import TaskGroup

    from spa_core._delivery.handling import Consumer
    from spa_core.message import SpaMessage
    from spa_core.transport import Delivery, Subscription

Ordering = Literal["key", "topic", "none"]

BATCH: Final = 50
"""Messages pulled at once: enough to make a call's cost small, few enough to let other tasks run in between."""


class Pipeline:
    """
    Consumes the subscriptions of one application.

    Attributes:
        progress: What has been done and what is running, for health.
    """

    def __init__(self, *, concurrency: int, ordering: Ordering, prefetch: int) -> None:
        self.progress = Progress()
        self._concurrency = concurrency
        self._lane_of = _LANES[ordering]
        self._limit = max(prefetch, concurrency)
        self._batch = min(BATCH, self._limit)

    async def run(
        self, consumer: Consumer, consume: Callable[[Callable[[Subscription], Awaitable[None]]], Awaitable[None]]
    ) -> None:
        """
        Run until fetching is stopped and every message handed out was handled.

        Args:
            consumer: Whose messages these are.
            consume: Runs an intake on every subscription; :meth:`SpaSocket.consume`.
        """
        handling = Handling(consumer, self.progress)
        if self._concurrency == 1:
            await consume(_Sequence(handling, self.progress, self._batch).intake)
            return
        async with anyio.create_task_group() as workers:
            crew = _Crew(handling, self.progress, workers, self._concurrency)
            lane_of, limit, batch_size = self._lane_of, self._limit, self._batch

            async def intake(subscription: Subscription) -> None:
                while True:
                    await crew.room(limit)
                    batch = await subscription.receive_batch(min(batch_size, max(1, limit - len(crew.lanes))))
                    self.progress.counts.received += len(batch)
                    for delivery in batch:
                        crew.lanes.add(delivery, lane_of(delivery.message))
                    crew.wake()

            await consume(intake)
            crew.close()


class _Sequence:
    """One handler at a time, run by the task that pulls: the cheapest way, and total order."""

    def __init__(self, handling: Handling, progress: Progress, batch_size: int) -> None:
        self._handle = handling.handle
        self._counts = progress.counts
        self._slot = progress.new_slot()
        self._batch_size = batch_size
        # Several subscriptions pull side by side, but only one handler may run. Taken once for each batch.
        self._turn = anyio.Lock(fast_acquire=True)

    async def intake(self, subscription: Subscription) -> None:
        handle, slot = self._handle, self._slot
        while True:
            batch = await subscription.receive_batch(self._batch_size)
            self._counts.received += len(batch)
            async with self._turn:
                for delivery in batch:
                    await handle(delivery, slot)


class _Crew:
    """Workers that take deliveries from the lanes; hired as they are needed, waiting when there is no work."""

    def __init__(self, handling: Handling, progress: Progress, tasks: TaskGroup, size: int) -> None:
        self.lanes: Lanes[Delivery] = Lanes()
        self._handling = handling
        self._progress = progress
        self._tasks = tasks
        self._size = size
        self._hired = 0
        self._idle: deque[anyio.Event] = deque()
        self._closed = False
        self._room: anyio.Event | None = None
        self._limit = 0

    def wake(self) -> None:
        """Put one more worker to work if a delivery is ready; it does the same for the next one as soon as it runs."""
        # Not all at once: where handlers never wait, the first does all the work, and the others would wake in vain.
        if not self.lanes.ready:
            return
        if self._idle:
            self._idle.popleft().set()
        elif self._hired < self._size:
            self._hired += 1
            self._tasks.start_soon(self._work)

    async def room(self, limit: int) -> None:
        """Wait until fewer than *limit* deliveries are in the lanes."""
        self._limit = limit
        while len(self.lanes) >= limit:
            # Shared by all intakes that wait.
            room = self._room = self._room or anyio.Event()
            await room.wait()

    def close(self) -> None:
        """No delivery will be added: workers leave when there is nothing left to run."""
        self._closed = True
        while self._idle:
            self._idle.popleft().set()

    async def _work(self) -> None:
        slot = self._progress.new_slot()
        handle, lanes = self._handling.handle, self.lanes
        in_a_row = 0
        self._share_work()
        while True:
            taken = lanes.take()
            if taken is None:
                if self._closed:
                    return
                await self._wait_for_work()
                self._share_work()
                continue
            delivery, lane = taken
            await handle(delivery, slot)
            lanes.done(lane)
            self._make_room()
            in_a_row += 1
            if in_a_row == BATCH:
                # A handler that never waits must not keep every other task from running.
                in_a_row = 0
                await anyio.lowlevel.checkpoint()

    async def _wait_for_work(self) -> None:
        event = anyio.Event()
        self._idle.append(event)
        await event.wait()

    def _share_work(self) -> None:
        if self.lanes.ready > 1:
            self.wake()

    def _make_room(self) -> None:
        # Half empty before more is pulled: waking the puller for each free place would cost an event for each message.
        # But a worker is not kept idle for that: where the others are slow, half empty may be long in coming.
        lanes = self.lanes
        if self._room is not None and (
            len(lanes) <= self._limit // 2 or (not lanes.ready and len(lanes) < self._limit)
        ):
            self._room.set()
            self._room = None


def _by_key(message: SpaMessage) -> Hashable:
    return None if message.key is None else (message.topic, message.key)


def _by_topic(message: SpaMessage) -> Hashable:
    return message.topic


def _unordered(message: SpaMessage) -> Hashable:  # noqa: ARG001 - one shape for all three
    return None


_LANES: dict[str, Callable[[SpaMessage], Hashable]] = {"key": _by_key, "topic": _by_topic, "none": _unordered}

ORDERINGS: Final = tuple(_LANES)
"""What may be asked for as an ordering."""
