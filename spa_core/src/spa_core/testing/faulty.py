"""
A provider that lets go wrong what a schedule says, around any other; it knows the transport contract and no broker.

Whatever it does a real broker may do under the same contract, but for ``"drop"``: messages of one key never overtake
each other, what was accepted is delivered, and what was not settled comes again.
"""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio

from spa_core._groups import collapsing
from spa_core.errors import PublishRefusedError
from spa_core.testing._faulty_subscription import FaultySubscription
from spa_core.testing._held_back import LONGEST_WAIT, Held, HeldBack
from spa_core.testing.wrapping import WrappedProvider, WrappedSocket
from spa_core.transport import ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable
    from types import TracebackType

    from spa_core import SocketProvider
    from spa_core.message import SpaMessage
    from spa_core.testing.faults import Fault, FaultSchedule
    from spa_core.transport import Capabilities, ConnectionListener, SubscriptionSpec, TransportSocket

__all__ = ["FaultyProvider"]


class FaultyProvider(WrappedProvider):
    """
    A provider whose sockets make the faults of a schedule happen.

    Messages are counted from 0 over all sockets of this provider and of those made of it, in the order in which
    ``publish`` is called; so a schedule does the same wherever the calls come in the same order.

    * ``"drop"``: ``publish`` returns, and nobody ever gets the message. No transport that confirms what it takes may
      do that; it is for testing that a loss is noticed.
    * ``"duplicate"``: what a lost confirmation leads to. Each copy is a message of its own, on its first attempt.
    * ``"delay"`` and ``"reorder"``: ``publish`` returns, and the message goes out later; those of its key that follow
      stay behind it. One that waits for others to overtake it waits no longer than a second.
    * ``"disconnect"``: the socket says that it is disconnected. What it was handed and has not settled can be settled
      no more and is delivered again once it is connected; until then it publishes and receives nothing.
    * ``"refuse_publish"``: ``publish`` raises ``PublishRefusedError``.

    Args:
        wrapped: Any provider.
        schedule: What goes wrong.

    Example:
        >>> from spa_core import SocketProviderFactory
        >>> from spa_core.testing.faults import Fault, FaultSchedule
        >>> memory = SocketProviderFactory.from_url("memory://readme")
        >>> provider = FaultyProvider(memory, FaultSchedule([Fault(kind="duplicate", position=0)]))
    """

    def __init__(self, wrapped: SocketProvider[Any], schedule: FaultSchedule) -> None:
        super().__init__(wrapped)
        self._run = _Run(schedule)

    def open(self, on_connection: ConnectionListener) -> _FaultySocket:
        """Make a socket that fails as the schedule says."""
        transport = self.wrapped.open(on_connection)
        lane_of = _lane_of(self.capabilities)
        return _FaultySocket(transport, self._run, lane_of=lane_of, on_connection=on_connection)

    def is_idle(self) -> bool:
        """Return whether no message is held back."""
        return self._run.held.is_empty()

    async def until_idle(self) -> None:
        """Wait until no message is held back."""
        await self._run.held.until_empty()


class _Run:
    """
    What all sockets of one provider share.

    Attributes:
        held: The messages that are held back.
        schedule: What goes wrong.
        positions: Numbers the messages.
    """

    def __init__(self, schedule: FaultSchedule) -> None:
        self.held = HeldBack()
        self.schedule = schedule
        self.positions = itertools.count()


class _FaultySocket(WrappedSocket):
    """
    A socket over another one.

    Args:
        transport: The socket of the wrapped provider.
        run: What it shares with the other sockets.
        lane_of: What messages have in common that must not overtake each other; ``None`` for those that may.
        on_connection: Told when the connection is lost, and back.
    """

    def __init__(
        self,
        transport: TransportSocket,
        run: _Run,
        *,
        lane_of: Callable[[SpaMessage], Hashable],
        on_connection: ConnectionListener,
    ) -> None:
        super().__init__(transport)
        self._run = run
        self._lane_of = lane_of
        self._on_connection = on_connection
        self._subscriptions: set[FaultySubscription] = set()
        self._lines: dict[Hashable, deque[Held]] = {}
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._online, self._leaving = anyio.Event(), anyio.Event()
        self._online.set()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.transport)
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._leave)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        with collapsing():
            # As core's own sockets: only a cancellation concerns the tasks inside.
            if isinstance(exc, anyio.get_cancelled_exc_class()):
                return await self._closing.__aexit__(exc_type, exc, traceback)
            return await self._closing.__aexit__(None, None, None)

    async def publish(self, message: SpaMessage) -> bool | None:
        position = next(self._run.positions)
        fault = self._run.schedule.at(position)
        await self._until_online()
        try:
            return await (self._send(message) if fault is None else self._fail(message, fault))
        finally:
            self._run.held.let_pass(position)

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[FaultySubscription]:
        async with self.transport.subscribe(spec) as subscription:
            faulty = FaultySubscription(subscription, self._until_online)
            self._subscriptions.add(faulty)
            try:
                yield faulty
            finally:
                self._subscriptions.discard(faulty)

    async def _fail(self, message: SpaMessage, fault: Fault) -> bool | None:
        match fault.kind:
            case "refuse_publish":
                reason = f"a fault is scheduled for message {fault.position}"
                raise PublishRefusedError(
                    f"message on {message.topic!r} refused: {reason}", topic=message.topic, reason=reason
                )
            case "drop":
                return None
            case "duplicate":
                return await self._send(message, times=1 + fault.count)
            case "delay":
                self._hold_back(message, seconds=fault.seconds)
                return None
            case "reorder":
                self._hold_back(message, seconds=LONGEST_WAIT, until=fault.position + fault.count)
                return None
            case "disconnect":
                self._lose_connection(fault.seconds)
                await self._until_online()
                return await self._send(message)

    async def _send(self, message: SpaMessage, times: int = 1) -> bool | None:
        if self._lane_of(message) in self._lines:
            self._hold_back(message, times=times)
            return None
        accepted = None
        for _ in range(times):
            accepted = await self.transport.publish(message)
        return accepted

    def _hold_back(
        self, message: SpaMessage, *, times: int = 1, seconds: float = 0.0, until: int | None = None
    ) -> None:
        held = Held(message, times=times, seconds=seconds, until=until)
        if self._leaving.is_set():
            held.free()
        self._run.held.add(held)
        lane = self._lane_of(message)
        if lane is None:
            lane = held  # a lane of its own
        if lane in self._lines:
            self._lines[lane].append(held)
        else:
            self._lines[lane] = deque([held])
            self._tasks.start_soon(self._work_off, lane)

    async def _work_off(self, lane: Hashable) -> None:
        line = self._lines[lane]
        try:
            while line:
                held = line[0]
                await held.until_free()
                for _ in range(held.times):
                    await self.transport.publish(held.message)
                self._run.held.remove(line.popleft())
        finally:
            del self._lines[lane]
            for held in line:
                self._run.held.remove(held)

    def _lose_connection(self, seconds: float) -> None:
        self._online = anyio.Event()
        self._on_connection(ConnectionEvent(state="disconnected", reason="a fault is scheduled"))
        for subscription in self._subscriptions:
            subscription.lose_connection()
        self._tasks.start_soon(self._come_back, seconds)

    async def _come_back(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._leaving.wait()
        self._on_connection(ConnectionEvent(state="connected"))
        self._online.set()

    async def _until_online(self) -> None:
        while not self._online.is_set():
            await self._online.wait()

    def _leave(self) -> None:
        """Let everything that was accepted out, for the socket closes when nothing is held back any more."""
        self._leaving.set()
        for line in self._lines.values():
            for held in line:
                held.free()


def _lane_of(capabilities: Capabilities) -> Callable[[SpaMessage], Hashable]:
    """Return what messages have in common that must not overtake each other, as the transport declares it."""
    match capabilities.ordering:
        case "none":
            return lambda _message: None
        case "key":
            return lambda message: message.key
        case "topic":
            return lambda message: message.topic
        case "single":
            return lambda _message: "all"
