"""
The provider and the sockets of the in-memory transport: what publishes, and waits on the event loop where it must.

Whether it must is decided by the broker and its queues, which know no event loop.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Final, Self

import anyio
from anyio.lowlevel import checkpoint

from spa_core import SocketProvider
from spa_core.errors import ConnectError, SocketClosedError
from spa_core.transport import Capabilities, ConnectionEvent
from spa_inmemory.broker import close_broker, find_broker, open_broker
from spa_inmemory.config import MemoryConfig
from spa_inmemory.members import handling_member
from spa_inmemory.room import WaitingPublish
from spa_inmemory.subscription import MemorySubscription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType

    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionListener, SubscriptionSpec
    from spa_inmemory.broker import Broker
    from spa_inmemory.room import Refusal

__all__ = ["MemorySocket", "MemorySocketProvider"]

# So often a loop that only publishes lets others run and can be cancelled; each time costs some microseconds.
# Core takes as many at once, so that a consumer that keeps up is not outrun, and nobody has to wait for room.
_PUBLISHES_PER_CHECKPOINT: Final = 50


class MemorySocketProvider(SocketProvider[MemoryConfig]):
    """
    The in-memory transport: sockets of one process with the same ``name`` share a broker.

    The broker begins with the first socket that opens and is forgotten, with all its messages, when the last one
    closes. It serves one event loop.
    """

    # Below "$", so that a subscription to "#" sees no replies.
    reply_prefix: ClassVar[str] = "$spa/reply"

    @property
    def capabilities(self) -> Capabilities:
        """All there is, but for what would outlive the process: ``replay`` and ``persistent``."""
        return Capabilities(
            headers=True,
            key=True,
            ttl=True,
            retain=True,
            timestamp=True,
            max_payload=self.config.max_payload,
            unicode_topics=True,
            confirms="broker",
            batch_publish=True,
            no_responders=True,
            auto_create=True,
            wildcards="mqtt",
            groups=True,
            fanout=True,
            durable=True,
            ordering="key",
            ack="individual",
            retry="native",
            retry_delay=True,
            attempts=True,
            prefetch=True,
            reply=True,
            restartable=True,
            single_process=True,
            health=True,
        )

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        """Make a socket; it joins its broker when it is entered."""
        return MemorySocket(self.config, on_connection)

    def is_idle(self) -> bool:
        """
        Return whether nothing is left to do at the broker.

        That is: no message is handed out and unsettled, and none waits, for its turn or its time, for a subscription
        that takes messages. A broker without sockets is idle.
        """
        broker = find_broker(self.config.name)
        return broker is None or bool(broker.idleness)

    async def until_idle(self) -> None:
        """Wait until nothing is left to do at the broker; what comes in afterwards is not waited for."""
        await checkpoint()
        broker = find_broker(self.config.name)
        if broker is None or broker.idleness:
            return
        idle = anyio.Event()
        broker.idleness.waiting.add(idle.set)
        try:
            await idle.wait()
        finally:
            broker.idleness.waiting.discard(idle.set)


class MemorySocket:
    """
    A way to a broker of this process; see :class:`~spa_core.transport.TransportSocket` for the contract.

    Args:
        config: The configuration.
        on_connection: Called when the socket was opened and closed.
    """

    def __init__(self, config: MemoryConfig, on_connection: ConnectionListener) -> None:
        self._config = config
        self._on_connection = on_connection
        self._broker: Broker | None = None
        self._subscriptions: set[MemorySubscription] = set()
        self._waiting: set[WaitingPublish] = set()
        self._max_retained = config.max_retained
        self._until_checkpoint = _PUBLISHES_PER_CHECKPOINT

    async def __aenter__(self) -> Self:
        """
        Join the broker.

        Raises:
            ConnectError: The broker serves another event loop, or this socket is open already.
        """
        await checkpoint()
        if self._broker is not None:
            raise ConnectError("the socket is open already", hint="Open another one of the same provider")
        self._broker = open_broker(self._config.name)
        self._on_connection(ConnectionEvent(state="connected"))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave every subscription and the broker; publishes that wait for room fail with ``SocketClosedError``."""
        broker, self._broker = self._broker, None
        if broker is None:
            return
        for publish in tuple(self._waiting):
            publish.fail(_closed())
        for subscription in tuple(self._subscriptions):
            subscription.close()
        close_broker(broker)
        self._on_connection(ConnectionEvent(state="closed"))

    async def publish(self, message: SpaMessage) -> bool:
        """
        Put a message in the queue of everybody who listens; return once it is in all of them.

        Others are let run about every fiftieth call, and while a full queue is waited for. The error for a full queue
        does not undo that the message is in the others.

        Returns:
            Whether anybody listens: a subscription, or a group that was there since the broker began.

        Raises:
            SocketClosedError: The socket is not open, or was closed meanwhile.
            QueueFullError: A queue had no room within the ``publish_timeout``, or at once with ``overflow="error"``;
                or the retained messages are full, and nobody got the message.
        """
        broker = self._broker
        self._until_checkpoint -= 1
        if broker is None or self._until_checkpoint < 0:
            broker = await self._let_others_run()
        refusals: list[Refusal] = []
        listened = broker.put(message, refusals, max_retained=self._max_retained)
        if refusals:
            await self._wait_for_room(refusals)
        return listened

    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        """
        Publish in order and return once all messages are in their queues.

        Raises:
            SocketClosedError: As for :meth:`publish`.
            QueueFullError: As for :meth:`publish`; the messages before are in their queues, those behind are not.
        """
        broker = self._broker
        refusals: list[Refusal] = []
        for message in messages:
            self._until_checkpoint -= 1
            if broker is None or self._until_checkpoint < 0:
                broker = await self._let_others_run()
            broker.put(message, refusals, max_retained=self._max_retained)
            if refusals:
                await self._wait_for_room(refusals)
                refusals.clear()

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[MemorySubscription]:
        """
        Subscribe while the context is open.

        Without a group, retained messages that match come first. Leaving gives the unsettled messages of a group back
        to the group and drops the queue of a subscription without one.

        Raises:
            SocketClosedError: The socket is not open.
        """
        await checkpoint()
        broker, config = self._opened(), self._config
        name = config.client_name or config.client_id
        member = broker.subscribe(spec, limit=config.queue_size, subscriber=name)
        subscription = MemorySubscription(broker, member)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.close()

    async def check(self) -> None:
        """
        Prove that the broker is there.

        Raises:
            SocketClosedError: The socket is not open.
        """
        await checkpoint()
        self._opened()

    def _opened(self) -> Broker:
        if self._broker is None:
            raise _closed()
        return self._broker

    async def _let_others_run(self) -> Broker:
        self._opened()
        self._until_checkpoint = _PUBLISHES_PER_CHECKPOINT
        await checkpoint()
        return self._opened()

    async def _wait_for_room(self, refusals: Sequence[Refusal]) -> None:
        if self._config.overflow == "error":
            raise refusals[0].error("and the socket is configured not to wait")
        done = anyio.Event()
        publish = WaitingPublish(handling_member(), done.set)
        self._waiting.add(publish)
        try:
            for refusal in refusals:
                publish.wait_for(refusal)
            if publish.refusals:
                await self._wait(publish, done)
        finally:
            self._waiting.discard(publish)
            publish.withdraw()

    async def _wait(self, publish: WaitingPublish, done: anyio.Event) -> None:
        patience = self._config.publish_timeout
        with anyio.move_on_after(patience):
            await done.wait()
        if publish.error is not None:
            raise publish.error
        for refusal in publish.refusals.values():
            raise refusal.error(f"and nobody made room within {patience:g} s")


def _closed() -> SocketClosedError:
    return SocketClosedError("the socket is not open", hint="Use it inside 'async with'")
