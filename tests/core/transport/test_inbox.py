"""The inbox: never waits on the way in, never loses on the way out, never holds more than its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import DisconnectedError, EndOfSubscription, ParameterError, SpaError
from spa_core.transport import BoundedInbox, Overflow

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.anyio

POLICIES: tuple[Overflow, ...] = get_args(Overflow)


def inbox_of(items: Iterable[int], bound: int = 100) -> BoundedInbox[int]:
    """Return an inbox that holds *items*."""
    inbox = BoundedInbox[int](bound, overflow="refuse")
    for item in items:
        assert inbox.put(item)
    return inbox


async def others_run() -> None:
    """Let every other task run until it waits."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class Receiver:
    """One call of ``receive_batch`` in a task of its own, and how it ended; it notes its batch in a shared log."""

    def __init__(self, log: list[list[int]]) -> None:
        self.log = log
        self.scope = anyio.CancelScope()
        self.batch: list[int] | None = None
        self.error: Exception | None = None

    async def receive(self, inbox: BoundedInbox[int], max_items: int) -> None:
        """Receive once."""
        with self.scope:
            try:
                self.batch = await inbox.receive_batch(max_items)
            except (EndOfSubscription, SpaError) as error:
                self.error = error
            else:
                self.log.append(self.batch)


class Naive:
    """The same with a list and no waiting: items, what overflowed, and whether the reader is paused."""

    def __init__(self, bound: int, overflow: Overflow, high: int, low: int) -> None:
        self.bound, self.overflow, self.high, self.low = bound, overflow, high, low
        self.items: list[int] = []
        self.dropped = 0
        self.calls: list[str] = []

    def put(self, item: int) -> bool:
        """Hold an item, or not."""
        if len(self.items) == self.bound:
            self.dropped += self.overflow != "refuse"
            if self.overflow != "drop_oldest":
                return False
            del self.items[0]
        self.items.append(item)
        if len(self.items) >= self.high and self.calls[-1:] != ["full"]:
            self.calls.append("full")
        return True

    def take(self, count: int) -> list[int]:
        """Give items away."""
        taken, self.items = self.items[:count], self.items[count:]
        if len(self.items) <= self.low and self.calls[-1:] == ["full"]:
            self.calls.append("room")
        return taken


@st.composite
def limits(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw a bound, a high and a low mark."""
    bound = draw(st.integers(1, 6))
    high = draw(st.integers(1, bound))
    return bound, high, draw(st.integers(0, high - 1))


@given(marks=limits(), overflow=st.sampled_from(POLICIES), steps=st.lists(st.none() | st.integers(0, 7), max_size=60))
async def test_the_inbox_equals_a_list(
    marks: tuple[int, int, int], overflow: Overflow, steps: list[int | None]
) -> None:
    """Puts (``None``), batches (1 to 7) and drains (0) give what a plain list gives, pauses and drops included."""
    bound, high, low = marks
    naive = Naive(bound, overflow, high, low)
    calls: list[str] = []
    inbox = BoundedInbox[int](
        bound,
        overflow=overflow,
        high=high,
        low=low,
        on_full=lambda: calls.append("full"),
        on_room=lambda: calls.append("room"),
    )
    for item, step in enumerate(steps):
        if step is None:
            assert inbox.put(item) == naive.put(item)
        elif step == 0:
            assert inbox.drain() == naive.take(bound)
        elif naive.items:
            assert await inbox.receive_batch(step) == naive.take(step)

        assert len(inbox) == len(naive.items) <= bound
        assert inbox.dropped == naive.dropped
        assert calls == naive.calls


ACTIONS = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 4)),
    st.tuples(st.just("receive"), st.integers(1, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("run"), st.integers(1, 3)),
    st.tuples(st.just("drain"), st.just(0)),
)


@given(actions=st.lists(ACTIONS, max_size=40), ending=st.sampled_from(["stop", "fail"]))
async def test_no_item_is_lost_or_doubled(actions: list[tuple[str, int]], ending: str) -> None:
    """Whoever receives, is cancelled or drains, at any time: every item comes out once, and in order."""
    inbox = BoundedInbox[int](5, overflow="refuse")
    log: list[list[int]] = []
    receivers: list[Receiver] = []
    held = 0
    async with anyio.create_task_group() as tasks:
        for action, number in actions:
            if action == "put":
                held += sum(inbox.put(held + more) for more in range(number))
            elif action == "receive":
                receivers.append(Receiver(log))
                tasks.start_soon(receivers[-1].receive, inbox, number)
            elif action == "cancel" and receivers:
                receivers[number % len(receivers)].scope.cancel()
            elif action == "run":
                for _ in range(number):
                    await anyio.lowlevel.checkpoint()
            elif action == "drain":
                log.append(inbox.drain())
        inbox.stop() if ending == "stop" else inbox.fail(DisconnectedError("the cable is cut"))
    log.append(inbox.drain())

    assert [item for batch in log for item in batch] == list(range(held))
    for receiver in receivers:
        assert receiver.batch != []
        assert receiver.batch or receiver.error or receiver.scope.cancel_called


async def test_a_waiting_receiver_wakes_for_an_item() -> None:
    """A receiver that found nothing gets what is put in afterwards."""
    inbox = inbox_of([])
    receiver = Receiver([])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receiver.receive, inbox, 10)
        await others_run()
        inbox.put(1)
        inbox.put(2)

    assert receiver.batch == [1, 2]


@pytest.mark.parametrize("held", [0, 3])
async def test_receivers_are_served_in_order(held: int) -> None:
    """Nobody who comes later is served before somebody who waits, even if an item is put in at the same moment."""
    inbox = inbox_of([])
    receivers = [Receiver([]) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for receiver in receivers[:3]:
            tasks.start_soon(receiver.receive, inbox, 1)
            await others_run()
        for item in range(held):
            inbox.put(item)
        tasks.start_soon(receivers[3].receive, inbox, 1)
        await others_run()
        for item in range(held, 4):
            inbox.put(item)

    assert [receiver.batch for receiver in receivers] == [[0], [1], [2], [3]]


async def test_what_one_receiver_leaves_is_for_the_next() -> None:
    """Items put in at once wake as many receivers as they suffice for."""
    inbox = inbox_of([])
    receivers = [Receiver([]) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for receiver in receivers:
            tasks.start_soon(receiver.receive, inbox, 2)
            await others_run()
        for item in range(5):
            inbox.put(item)

    assert [receiver.batch for receiver in receivers] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_an_item_is_not_stranded_by_a_cancelled_receiver(cancelled_first: bool) -> None:  # noqa: FBT001 - a case
    """An item put in while the first receiver is being cancelled goes to the next one, unless the first has it."""
    inbox = inbox_of([])
    first, second = Receiver([]), Receiver([])
    async with anyio.create_task_group() as tasks:
        for receiver in (first, second):
            tasks.start_soon(receiver.receive, inbox, 1)
            await others_run()
        if cancelled_first:
            first.scope.cancel()
        inbox.put(7)
        first.scope.cancel()
        await others_run()
        inbox.stop()

    assert (first.batch, second.batch) == ((None, [7]) if cancelled_first else ([7], None))


async def test_a_cancelled_receiver_leaves_the_line() -> None:
    """Those behind a receiver that gave up are served as if it had never come."""
    inbox = inbox_of([])
    receivers = [Receiver([]) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for receiver in receivers:
            tasks.start_soon(receiver.receive, inbox, 1)
            await others_run()
        receivers[1].scope.cancel()
        await others_run()
        inbox.put(1)
        inbox.put(2)

    assert [receiver.batch for receiver in receivers] == [[1], None, [2]]


async def test_a_receiver_whose_item_was_drained_keeps_its_place() -> None:
    """A receiver woken for an item that is gone by then waits on, still before those that came after it."""
    inbox = inbox_of([])
    first, second = Receiver([]), Receiver([])
    async with anyio.create_task_group() as tasks:
        for receiver in (first, second):
            tasks.start_soon(receiver.receive, inbox, 1)
            await others_run()
        inbox.put(1)
        drained = inbox.drain()
        await others_run()
        inbox.put(2)
        inbox.put(3)

    assert drained == [1]
    assert (first.batch, second.batch) == ([2], [3])


async def test_a_receiver_that_need_not_wait_lets_others_run() -> None:
    """A loop over a full inbox does not starve the other tasks, and it can be cancelled without losing an item."""
    inbox = inbox_of(range(3))
    seen: list[str] = []

    async def other() -> None:
        seen.append("ran")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await inbox.receive_batch(1)
        await inbox.receive_batch(1)

    assert seen == ["ran"]
    with anyio.CancelScope() as scope:
        scope.cancel()
        await inbox.receive_batch(1)

    assert scope.cancelled_caught
    assert inbox.drain() == [2]


async def test_stop_ends_every_receiver() -> None:
    """Those that wait and those that come later learn that it is over; what is held stays to be drained."""
    inbox = inbox_of([])
    receivers = [Receiver([]) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for receiver in receivers:
            tasks.start_soon(receiver.receive, inbox, 1)
        await others_run()
        inbox.put(1)
        inbox.put(2)
        inbox.stop()
        inbox.stop()

    assert all(isinstance(receiver.error, EndOfSubscription) for receiver in receivers)
    with pytest.raises(EndOfSubscription):
        await inbox.receive_batch(1)
    assert not inbox.put(3)
    assert inbox.drain() == [1, 2]
    assert inbox.drain() == []


async def test_a_failure_comes_after_the_items() -> None:
    """What arrived before the failure is handed out, then everybody gets the error, again and again."""
    inbox = inbox_of([1, 2])
    error = DisconnectedError("the cable is cut")
    inbox.fail(error)
    inbox.fail(DisconnectedError("too late"))

    assert not inbox.put(3)
    assert await inbox.receive_batch(1) == [1]
    assert await inbox.receive_batch(1) == [2]
    for _ in range(2):
        with pytest.raises(DisconnectedError) as caught:
            await inbox.receive_batch(1)
        assert caught.value is error


async def test_a_failure_reaches_every_waiting_receiver() -> None:
    """No receiver waits on an inbox into which nothing will come any more."""
    inbox = inbox_of([])
    error = DisconnectedError("the cable is cut")
    receivers = [Receiver([]) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for receiver in receivers:
            tasks.start_soon(receiver.receive, inbox, 1)
        await others_run()
        inbox.fail(error)

    assert [receiver.error for receiver in receivers] == [error] * 3


@pytest.mark.parametrize("stop_first", [True, False])
async def test_stop_wins_over_a_failure(stop_first: bool) -> None:  # noqa: FBT001 - a case, not an option
    """Once stopped, an inbox ends as it was asked to, whatever else happens before or after."""
    inbox = inbox_of([1])
    if stop_first:
        inbox.stop()
    inbox.fail(DisconnectedError("the cable is cut"))
    inbox.stop()

    with pytest.raises(EndOfSubscription):
        await inbox.receive_batch(1)
    assert inbox.drain() == [1]


@pytest.mark.parametrize("end", ["stop", "fail"])
async def test_a_reader_is_not_resumed_after_the_end(end: str) -> None:
    """Room in an inbox that takes nothing more in is no reason to read on."""
    calls: list[str] = []
    inbox = BoundedInbox[int](
        2, overflow="refuse", on_full=lambda: calls.append("full"), on_room=lambda: calls.append("room")
    )
    inbox.put(1)
    inbox.put(2)
    inbox.stop() if end == "stop" else inbox.fail(DisconnectedError("the cable is cut"))
    if end == "fail":
        assert await inbox.receive_batch(2) == [1, 2]
    inbox.drain()

    assert calls == ["full"]


@pytest.mark.parametrize(("policy", "held", "dropped"), [("drop_oldest", [2, 3], 2), ("drop_new", [0, 1], 2)])
def test_drops_are_counted_until_the_end(policy: Overflow, held: list[int], dropped: int) -> None:
    """Overflow drops what the policy says, counted; what comes after the end is not overflow."""
    inbox = BoundedInbox[int](2, overflow=policy)
    for item in range(4):
        inbox.put(item)
    inbox.stop()
    inbox.put(4)

    assert inbox.dropped == dropped
    assert inbox.drain() == held


async def test_a_resumed_reader_may_put_at_once() -> None:
    """A callback that reads on synchronously finds the room it was told of, and is paused again."""
    calls: list[str] = []
    arriving = iter(range(10))

    def read_on() -> None:
        calls.append("room")
        while calls[-1] == "room":
            inbox.put(next(arriving))

    inbox = BoundedInbox[int](2, overflow="refuse", on_full=lambda: calls.append("full"), on_room=read_on)

    inbox.put(next(arriving))
    inbox.put(next(arriving))

    assert await inbox.receive_batch(2) == [0, 1]
    assert await inbox.receive_batch(2) == [2, 3]
    assert calls == ["full", "room", "full", "room", "full"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"bound": 0}, "bound", "bound must be at least 1, not 0"),
    (
        {"overflow": "drop-new"},
        "overflow",
        "overflow must be one of refuse, drop_oldest, drop_new, not 'drop-new'. Did you mean 'drop_new'?",
    ),
    ({"high": 11}, "high", "high must be between 1 and the bound, 10, not 11"),
    ({"high": 0}, "high", "high must be between 1 and the bound, 10, not 0"),
    ({"low": 10}, "low", "low must be at least 0 and below high, 10, not 10"),
    ({"high": 5, "low": -1}, "low", "low must be at least 0 and below high, 5, not -1"),
]


@pytest.mark.parametrize(("options", "parameter", "text"), BAD)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], parameter: str, text: str) -> None:
    """A wrong option is an error that names it and says what is allowed, before anything is held."""
    with pytest.raises(ParameterError) as caught:
        BoundedInbox[int](**{"bound": 10, "overflow": "refuse", **options})

    assert caught.value.parameter == parameter
    assert str(caught.value) == text


def test_an_inbox_holds_nothing_but_its_slots() -> None:
    """There are as many inboxes as subscriptions; each has a fixed size of its own."""
    assert not hasattr(BoundedInbox[int](1, overflow="refuse"), "__dict__")
