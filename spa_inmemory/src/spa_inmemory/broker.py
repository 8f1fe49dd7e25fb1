"""
The brokers of this process by name: who is subscribed to what, and what is retained.

A broker lives while at least one socket is open on it, and belongs to one event loop. It does no I/O.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Final

import anyio
from anyio.lowlevel import RunVar

from spa_core.errors import ConnectError
from spa_inmemory.idleness import Idleness
from spa_inmemory.queues import MessageQueue
from spa_inmemory.retained import RetainedMessages
from spa_inmemory.room import Refusal, break_circles
from spa_inmemory.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.message import SpaMessage
    from spa_core.transport import SubscriptionSpec
    from spa_inmemory.members import Member

__all__ = ["Broker", "close_broker", "find_broker", "open_broker"]


class Broker:
    """
    One broker: routes messages to queues, and keeps the queues of groups as long as it lives.

    Args:
        name: Its name, as in ``memory://name``.
        clock: Returns the time in seconds.

    Attributes:
        name: As above.
        routes: Where messages go.
        retained: What later subscribers get first.
        idleness: True while nothing is left to do here.
    """

    __slots__ = ("_clock", "_groups", "_own", "idleness", "name", "retained", "routes")

    def __init__(self, name: str, clock: Callable[[], float] = anyio.current_time) -> None:
        self.name = name
        self.routes = Routes()
        self.idleness = Idleness()
        self.retained = RetainedMessages(f"memory://{name}", clock)
        self._clock = clock
        self._own: dict[MessageQueue, tuple[str, ...]] = {}  # queues of one subscription, with their filters
        self._groups: dict[tuple[str, frozenset[str]], MessageQueue] = {}

    def put(self, message: SpaMessage, refusals: list[Refusal], *, max_retained: int) -> bool:
        """
        Put a message in the queue of everybody who listens and has room; never wait.

        Args:
            message: The message.
            refusals: A list to add the full queues to.
            max_retained: The most topics with a retained message.

        Returns:
            Whether anybody listens.

        Raises:
            QueueFullError: There are *max_retained* retained messages; the message is nowhere.
        """
        ttl = message.ttl
        deadline = None if ttl is None else self._clock() + ttl
        if message.retain:
            message = self.retained.keep(message, deadline, limit=max_retained)
        targets = self.routes.targets(message)
        for queue in targets:
            if not queue.offer(message, deadline):
                refusals.append(Refusal(queue, message, deadline))  # noqa: PERF401 - hardly ever, so the loop is cheaper
        return bool(targets)

    def subscribe(self, spec: SubscriptionSpec, *, limit: int, subscriber: str | None = None) -> Member:
        """
        Add a subscription: every message published from now on is for it.

        Args:
            spec: What it asks for.
            limit: The bound of its queue, unless its group has that queue already.
            subscriber: The name of the subscribing client, for errors.
        """
        if spec.group is None:
            queue = self._own_queue(spec, limit, subscriber)
        else:
            queue = self._group_queue(spec.group, spec.topics, limit)
        member = queue.join(spec.prefetch)
        self.idleness.add(member)
        return member

    def _own_queue(self, spec: SubscriptionSpec, limit: int, subscriber: str | None) -> MessageQueue:
        name = f"the queue of {subscriber or 'a subscription'} on {', '.join(spec.topics)}"
        queue = self._queue(name, limit)
        self.routes.add(spec.topics, queue)
        self._own[queue] = spec.topics
        for message, deadline in () if spec.reply else self.retained.matching(spec.topics):
            queue.force(message, deadline)
        return queue

    def _group_queue(self, group: str, topics: tuple[str, ...], limit: int) -> MessageQueue:
        identity = (group, frozenset(topics))
        queue = self._groups.get(identity)
        if queue is None:
            name = f"the queue of group {group!r} on {', '.join(topics)}"
            queue = self._groups[identity] = self._queue(name, limit)
            self.routes.add(topics, queue, group=group)
        return queue

    def _queue(self, name: str, limit: int) -> MessageQueue:
        return MessageQueue(name, limit=limit, clock=self._clock, idleness=self.idleness)

    def stop(self, member: Member) -> None:
        """Hand a member nothing more; a queue that was its alone gets nothing more either and drops what waits."""
        queue = member.queue
        filters = self._own.pop(queue, None)
        if filters is not None:
            self.routes.remove(filters, queue)
            queue.close()
        queue.stop(member)
        break_circles(queue)

    def leave(self, member: Member) -> None:
        """End a subscription; a group gets back what the member had in flight."""
        self.stop(member)
        member.queue.leave(member)
        self.idleness.remove(member)


class _EventLoop:
    """Stands for a running event loop and dies with it."""

    __slots__ = ("__weakref__",)


class _Open:
    """A broker with open sockets."""

    def __init__(self, broker: Broker, loop: _EventLoop) -> None:
        self.broker = broker
        self.loop = weakref.ref(loop)
        self.sockets = 0


_event_loop: Final[RunVar[_EventLoop]] = RunVar("spa_inmemory_event_loop")
_open: Final[dict[str, _Open]] = {}
_lock: Final = threading.Lock()


def open_broker(name: str) -> Broker:
    """
    Return the broker that open sockets share under *name*, a new one if there are none; count one more socket.

    Raises:
        ConnectError: The open sockets belong to another event loop.
    """
    loop = _event_loop.get(None)
    if loop is None:
        loop = _EventLoop()
        _event_loop.set(loop)
    with _lock:
        opened = _open.get(name)
        if opened is None or opened.loop() is None:  # nobody can close the sockets of a loop that is gone
            opened = _open[name] = _Open(Broker(name), loop)
        elif opened.loop() is not loop:
            raise _other_loop(name, opened.sockets)
        opened.sockets += 1
        return opened.broker


def find_broker(name: str) -> Broker | None:
    """Return the broker that open sockets share under *name*; ``None`` if there is none."""
    opened = _open.get(name)
    return None if opened is None else opened.broker


def close_broker(broker: Broker) -> None:
    """Count one socket less; a broker without sockets is forgotten with all it holds."""
    with _lock:
        opened = _open.get(broker.name)
        if opened is not None and opened.broker is broker:
            opened.sockets -= 1
            if not opened.sockets:
                del _open[broker.name]


def _other_loop(name: str, sockets: int) -> ConnectError:
    text = (
        f"memory://{name} is in use on another event loop (open sockets: {sockets}), and a broker in memory serves one"
    )
    return ConnectError(text, hint="Close them first or use another name; between event loops use a real broker")
