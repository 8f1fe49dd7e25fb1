"""Two ways to take a socket's messages one by one: iterating over it, and having them put into a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import anyio

from spa_core.transport import ACK, current_delivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from spa_core._messaging.feeds import Intake
    from spa_core.message import SpaMessage
    from spa_core.transport import Delivery, Subscription


class MessageQueue(Protocol):
    """What :meth:`SocketProvider.create_socket` accepts as a queue, such as ``asyncio.Queue``."""

    def put(self, item: SpaMessage, /) -> Awaitable[object]:
        """Put a message in, waiting for room."""
        ...


def into_queue(queue: MessageQueue) -> Intake:
    """Return an intake that puts messages into *queue*; each counts as handled when it is in."""

    async def intake(subscription: Subscription) -> None:
        while True:
            for delivery in await subscription.receive_batch(1):
                await queue.put(delivery.message)
                await delivery.settle(ACK)

    return intake


class MessageIterator:
    """
    Messages of all subscriptions of a socket, in the order they arrive, until fetching is stopped.

    Each is settled when the next one is asked for.
    """

    def __init__(self, consume: Callable[[Intake], Awaitable[None]], tasks: TaskGroup) -> None:
        self._consume = consume
        self._tasks = tasks
        self._current: Delivery | None = None
        self._received: MemoryObjectReceiveStream[Delivery] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SpaMessage:
        if self._received is None:
            sender, self._received = anyio.create_memory_object_stream["Delivery"](1)
            self._tasks.start_soon(self._pump, sender, self._received)
        if self._current is not None:
            await self._current.settle(ACK)
            self._current = None
        try:
            self._current = await self._received.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._received.close()
            raise StopAsyncIteration from None
        current_delivery.set(self._current)
        return self._current.message

    async def _pump(
        self, sender: MemoryObjectSendStream[Delivery], received: MemoryObjectReceiveStream[Delivery]
    ) -> None:
        async def intake(subscription: Subscription) -> None:
            while True:
                for delivery in await subscription.receive_batch(1):
                    await sender.send(delivery)

        try:
            with sender:
                await self._consume(intake)
        except BaseException:
            # An iteration that is broken off tells nobody, so its end is closed here when the socket closes.
            received.close()
            raise
