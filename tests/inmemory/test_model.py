"""
The whole transport against a simple model, in random orders of everything that can happen to it.

The model keeps, for each queue, every message that is in it and where it is. It does not say which of several members
gets what, but checks what every hand-out must obey: nothing lost, nothing twice, order, bounds, nobody left asleep.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spa_core import SpaMessage
from spa_core.errors import EndOfSubscription, SocketClosedError
from spa_core.topics import matches
from spa_core.transport import ACK, Reject, Retry, SubscriptionSpec
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from spa_core.transport import Outcome
    from spa_inmemory import MemorySocket
    from spa_inmemory.members import MemoryDelivery
    from spa_inmemory.subscription import MemorySubscription

SPECS = (
    SubscriptionSpec(topics=("a",), prefetch=2),
    SubscriptionSpec(topics=("a", "#"), prefetch=100),
    SubscriptionSpec(topics=("a", "b"), group="g", prefetch=3),
    SubscriptionSpec(topics=("a", "b"), group="g", prefetch=100),
    SubscriptionSpec(topics=("#",), group="h", prefetch=2),
)
KEYS = st.lists(st.sampled_from([None, b"x", b"x", b"y"]), min_size=1, max_size=4)
OUTCOMES = (ACK, Reject("no"), Retry(), Retry(delay=1.5))
_names = count()
T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only when told to."""

    now = 0.0

    def time(self) -> float:
        """Return the virtual time."""
        return self.now


@dataclass(eq=False)
class Copy:
    """One message in one queue; `due` is None while it is in flight."""

    place: int
    message: SpaMessage
    deadline: float | None
    due: float | None = 0.0
    attempt: int = 0


@dataclass(eq=False)
class Publish:
    """One publish and the queues that it waits for."""

    socket: MemorySocket
    message: SpaMessage
    task: asyncio.Task[bool]
    listened: bool
    queues: list[Queue] = field(default_factory=list)


@dataclass(eq=False)
class Queue:
    """What a queue holds, and who waits for room in it."""

    filters: tuple[str, ...]
    copies: list[Copy] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    line: list[Publish] = field(default_factory=list)
    places: count[int] = field(default_factory=count)

    def waiting(self) -> list[Copy]:
        """Return the copies that are not in flight, in order."""
        return sorted((copy for copy in self.copies if copy.due is not None), key=lambda copy: copy.place)

    def ready(self, now: float) -> list[Copy]:
        """Return the copies that could be handed out."""
        waiting = [copy for copy in self.waiting() if copy.due is not None and copy.due <= now]
        return [copy for copy in waiting if copy.deadline is None or now < copy.deadline]


@dataclass(eq=False)
class Member:
    """One subscription."""

    socket: MemorySocket
    queue: Queue
    spec: SubscriptionSpec
    context: Any
    subscription: MemorySubscription
    in_flight: dict[MemoryDelivery, Copy] = field(default_factory=dict)
    fetching: bool = True
    reading: asyncio.Task[Any] | None = None
    asked: int = 0

    def keys_in_flight(self) -> set[bytes | None]:
        """Return the keys in flight here."""
        return {copy.message.key for copy in self.in_flight.values()} - {None}


class Transport(RuleBasedStateMachine):
    """Small queues; messages that do not expire."""

    limit = 3
    ttls: tuple[float | None, ...] = (None,)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.loop: Any = self.runner.get_loop()
        self.provider = MemorySocketProvider(
            MemoryConfig(name=f"model-{next(_names)}", queue_size=self.limit, publish_timeout=1e6)
        )
        self.groups: dict[str, Queue] = {}
        self.members: list[Member] = []
        self.publishes: list[Publish] = []
        self.finished: list[tuple[Member, asyncio.Task[Any]]] = []
        self.gone: list[MemoryDelivery] = []  # settled before, or handed to members that have left
        self.anchor = self.open()  # keeps the broker alive
        self.sockets = [self.open(), self.open()]

    def open(self) -> MemorySocket:
        """Open a socket."""
        return self.run(self.provider.open(lambda _: None).__aenter__())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, and everything else until it waits."""
        result = self.runner.run(self._run(coroutine))
        self.collect()
        return result

    async def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        result = await coroutine
        for _ in range(30):
            await asyncio.sleep(0)
        return result

    # -- what can happen -----------------------------------------------------------------------------------------------

    @rule(socket=st.integers(0, 1), spec=st.sampled_from(SPECS))
    @precondition(lambda self: len(self.members) < 6)
    def subscribe(self, socket: int, spec: SubscriptionSpec) -> None:
        """A subscription begins."""
        context = self.sockets[socket].subscribe(spec)
        subscription = self.run(context.__aenter__())
        queue = Queue(spec.topics) if spec.group is None else self.groups.setdefault(spec.group, Queue(spec.topics))
        member = Member(self.sockets[socket], queue, spec, context, subscription)
        queue.members.append(member)
        self.members.append(member)

    @rule(socket=st.integers(0, 1), topic=st.sampled_from("aaab"), keys=KEYS, ttl=st.integers(0, 2))
    def publish(self, socket: int, topic: str, keys: list[bytes | None], ttl: int) -> None:
        """Several tasks publish a message each, one after the other, and may have to wait."""
        for key in keys:
            message = SpaMessage(topic=topic, key=key, ttl=self.ttls[ttl % len(self.ttls)])
            self.publishes.append(self.publish_one(self.sockets[socket], message))
            self.run(asyncio.sleep(0))

    def publish_one(self, socket: MemorySocket, message: SpaMessage) -> Publish:
        """Begin to publish a message."""
        targets = [queue for queue in self.queues() if any(matches(each, message.topic) for each in queue.filters)]
        publish = Publish(socket, message, self.loop.create_task(socket.publish(message)), bool(targets))
        for queue in targets:
            if len(queue.waiting()) < self.limit:
                self.accept(queue, message)
            else:
                queue.line.append(publish)
                publish.queues.append(queue)
        return publish

    @rule(data=st.data(), most=st.integers(1, 4))
    @precondition(lambda self: any(member.reading is None for member in self.members))
    def receive(self, data: st.DataObject, most: int) -> None:
        """Members ask for messages, and may have to wait."""
        idle = st.sampled_from([member for member in self.members if member.reading is None])
        for member in data.draw(st.lists(idle, min_size=1, unique=True)):
            member.asked = most
            member.reading = task = self.loop.create_task(member.subscription.receive_batch(most))
            task.add_done_callback(lambda done, member=member: self.finished.append((member, done)))
        self.run(asyncio.sleep(0))

    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    @precondition(lambda self: any(member.in_flight for member in self.members))
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        """Deliveries are settled."""
        handed = st.sampled_from([(member, each) for member in self.members for each in member.in_flight])
        for member, delivery in data.draw(st.lists(handed, min_size=1, max_size=4, unique=True)):
            copy = member.in_flight.pop(delivery)
            self.gone.append(delivery)
            if isinstance(outcome, Retry):
                copy.due = self.loop.now + outcome.delay
            else:
                member.queue.copies.remove(copy)

            assert self.run(delivery.settle(outcome)) is True

    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    @precondition(lambda self: self.gone)
    def settle_in_vain(self, data: st.DataObject, outcome: Outcome) -> None:
        """A delivery that was settled, or whose subscription was left, cannot be settled."""
        assert self.run(data.draw(st.sampled_from(self.gone)).settle(outcome)) is False

    @rule(data=st.data(), event=st.sampled_from(["stop", "leave", "cancel a receive", "cancel a publish", "close"]))
    def disturb(self, data: st.DataObject, event: str) -> None:
        """Something ends before its time: rarer than all the rest, so that there is something to disturb."""
        if event == "close":
            self.close_socket(data.draw(st.integers(0, 1)))
        elif event == "cancel a publish":
            if waiting := [publish for publish in self.publishes if publish.queues]:
                self.cancel_publish(data.draw(st.sampled_from(waiting)))
        elif event == "cancel a receive":
            if reading := [member for member in self.members if member.reading]:
                self.cancel_receive(data.draw(st.sampled_from(reading)))
        elif self.members:
            member = data.draw(st.sampled_from(self.members))
            self.stop(member) if event == "stop" else self.leave(member)

    def stop(self, member: Member) -> None:
        """A member stops fetching."""
        self.end_fetching(member)
        self.run(member.subscription.stop_fetching())

    def leave(self, member: Member) -> None:
        """A subscription is left."""
        self.remove(member)
        self.run(member.context.__aexit__(None, None, None))

    def close_socket(self, index: int) -> None:
        """A socket closes, and another opens."""
        socket = self.sockets[index]
        left = [member for member in self.members if member.socket is socket]
        for publish in [publish for publish in self.publishes if publish.socket is socket and publish.queues]:
            self.give_up(publish)
        for member in left:
            self.remove(member)
        self.run(socket.__aexit__(None, None, None))
        for member in left:
            self.run(member.context.__aexit__(None, None, None))
        self.sockets[index] = self.open()

    def cancel_receive(self, member: Member) -> None:
        """A call that waits for messages is cancelled."""
        assert member.reading
        member.reading.cancel()
        self.run(asyncio.sleep(0))

    def cancel_publish(self, publish: Publish) -> None:
        """A publish that waits for room is cancelled."""
        self.give_up(publish)
        publish.task.cancel()
        self.run(asyncio.sleep(0))

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.loop.now += seconds
        self.run(asyncio.sleep(0))

    # -- what the model makes of it ------------------------------------------------------------------------------------

    def queues(self) -> list[Queue]:
        """Return all queues that messages go to."""
        own = [member.queue for member in self.members if member.spec.group is None and member.fetching]
        return [*own, *self.groups.values()]

    def accept(self, queue: Queue, message: SpaMessage) -> None:
        """A message gets into a queue."""
        deadline = None if message.ttl is None else self.loop.now + message.ttl
        queue.copies.append(Copy(next(queue.places), message, deadline))

    def admit(self, queue: Queue) -> None:
        """Publishes get the room that there is."""
        while queue.line and len(queue.waiting()) < self.limit:
            publish = queue.line.pop(0)
            publish.queues.remove(queue)
            self.accept(queue, publish.message)

    def give_up(self, publish: Publish) -> None:
        """A publish waits no longer."""
        for queue in publish.queues:
            queue.line.remove(publish)
        publish.queues.clear()

    def end_fetching(self, member: Member) -> None:
        """A member gets nothing more; a queue of its own ends."""
        member.fetching = False
        if member.spec.group is None:
            queue = member.queue
            queue.copies.clear()
            queue.copies.extend(member.in_flight.values())
            for publish in queue.line:
                publish.queues.remove(queue)
            queue.line.clear()

    def remove(self, member: Member) -> None:
        """A member leaves and gives back what it has."""
        self.end_fetching(member)
        self.members.remove(member)
        member.queue.members.remove(member)
        for copy in member.in_flight.values():
            copy.due = 0.0
        self.gone += member.in_flight
        member.in_flight.clear()

    def collect(self) -> None:
        """Look at what members were handed, in the order it happened."""
        while self.finished:
            member, task = self.finished.pop(0)
            member.reading = None
            if task.cancelled():
                continue
            if isinstance(task.exception(), EndOfSubscription):
                assert not member.fetching
                continue
            self.check(member, task.result())
            self.admit(member.queue)
        for publish in [publish for publish in self.publishes if publish.task.done()]:
            self.publishes.remove(publish)
            assert not publish.queues
            if publish.task.cancelled() or isinstance(publish.task.exception(), SocketClosedError):
                continue
            assert publish.task.result() is publish.listened

    def check(self, member: Member, batch: list[MemoryDelivery]) -> None:
        """Check one hand-out and note it."""
        queue, ready = member.queue, member.queue.ready(self.loop.now)
        by_message = {copy.message.message_id: copy for copy in ready}
        copies = [by_message[delivery.message.message_id] for delivery in batch]
        room = member.spec.prefetch - len(member.in_flight)

        assert 0 < len(batch) <= min(member.asked, room)
        assert [delivery.attempt for delivery in batch] == [copy.attempt + 1 for copy in copies]
        assert all(delivery.redelivered is (delivery.attempt > 1) for delivery in batch)
        others = [other for other in queue.members if other is not member]
        if not others:
            assert copies == ready[: min(member.asked, room)]
        for key in {copy.message.key for copy in copies} - {None}:
            assert not any(key in other.keys_in_flight() for other in others)
            of_key = [copy for copy in copies if copy.message.key == key]
            assert of_key == [copy for copy in ready if copy.message.key == key][: len(of_key)]
        for delivery, copy in zip(batch, copies, strict=True):
            copy.due, copy.attempt = None, copy.attempt + 1
            member.in_flight[delivery] = copy

    @invariant()
    def nobody_sleeps_on_work(self) -> None:
        """A member waits only while there is nothing for it."""
        for member in self.members:
            if member.reading and len(member.in_flight) < member.spec.prefetch:
                assert member.fetching
                others = set[bytes | None]().union(
                    *(o.keys_in_flight() for o in member.queue.members if o is not member)
                )
                assert not [copy for copy in member.queue.ready(self.loop.now) if copy.message.key not in others]

    @invariant()
    def publishers_wait_only_for_room(self) -> None:
        """A publish waits exactly as long as a queue has no room for it."""
        assert all(publish.queues for publish in self.publishes)
        assert all(len(queue.waiting()) >= self.limit for queue in self.queues() if queue.line)

    def teardown(self) -> None:
        """In the end every message that was not settled is still there."""
        with closing(self.runner):
            self.check_the_rest()

    def check_the_rest(self) -> None:
        """Leave everything, and look at what the groups hold."""
        for publish in list(self.publishes):
            self.give_up(publish)
            publish.task.cancel()
        for member in list(self.members):
            self.leave(member)
        self.loop.now += 10
        for group, queue in self.groups.items():
            spec = SubscriptionSpec(topics=queue.filters, group=group, prefetch=1_000_000)
            left = queue.ready(self.loop.now)
            context = self.anchor.subscribe(spec)
            subscription = self.run(context.__aenter__())
            batch = self.run(subscription.receive_batch(1_000_000)) if left else []

            assert [each.message for each in batch] == [copy.message for copy in left]
            self.run(context.__aexit__(None, None, None))
        for socket in (*self.sockets, self.anchor):
            self.run(socket.__aexit__(None, None, None))


class ExpiringTransport(Transport):
    """Queues that are never full; messages of which some expire."""

    limit = 1_000_000
    ttls = (None, 0.7, 2.5)


TestTransport = Transport.TestCase
TestExpiringTransport = ExpiringTransport.TestCase
TestTransport.settings = TestExpiringTransport.settings = settings(
    max_examples=max(settings.default.max_examples, 50), stateful_step_count=60
)
