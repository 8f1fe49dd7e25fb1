"""One queue: what is handed to whom, what settling does, and who is woken; no event loop anywhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from spa_core import SpaMessage
from spa_core.transport import ACK, Ack, Reject, Retry
from spa_inmemory.idleness import Idleness
from spa_inmemory.queues import MessageQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from unittest.mock import Mock

    from spa_core.transport import Outcome
    from spa_inmemory.members import Member, MemoryDelivery


def put(queue: MessageQueue, *names: str) -> None:
    """Put messages in; a name like k1 has the key k, a name that is a number has none."""
    for name in names:
        key = None if name.isdigit() else name[0]
        message = SpaMessage(topic="t", payload=name, key=key)  # type: ignore[arg-type]  # a str is stored as bytes

        assert queue.offer(message, None)


def names(batch: Iterable[MemoryDelivery]) -> list[str]:
    """Return the messages of a batch by name."""
    return [delivery.message.payload.decode() for delivery in batch]


def settle(delivery: MemoryDelivery, outcome: Outcome = ACK) -> bool:
    """Settle a delivery without an event loop: nothing in it waits."""
    coroutine = delivery.settle(outcome)
    with pytest.raises(StopIteration) as returned:
        coroutine.send(None)
    return bool(returned.value.value)


# -- handing out -------------------------------------------------------------------------------------------------------


def test_order(queue: MessageQueue) -> None:
    """Messages are handed out in order, in batches as large as asked for, as first attempts."""
    member = queue.join(100)
    put(queue, "1", "2", "3")
    batch = queue.take(member, 2)

    assert names(batch) == ["1", "2"]
    assert [(delivery.attempt, delivery.redelivered, delivery.native) for delivery in batch] == [(1, False, member)] * 2
    assert len(queue) == 1
    assert names(queue.take(member, 2)) == ["3"]
    assert queue.take(member, 2) == []


def test_a_queue_is_true(queue: MessageQueue) -> None:
    """An empty queue is as true as any."""
    assert queue


def test_prefetch(queue: MessageQueue) -> None:
    """A member never has more in flight than its prefetch, and gets more as it settles."""
    member = queue.join(2)
    put(queue, "1", "2", "3", "4")
    batch = queue.take(member, 10)

    assert names(batch) == ["1", "2"]
    assert queue.take(member, 10) == []
    settle(batch[1])
    assert names(queue.take(member, 10)) == ["3"]


def test_fair_share(queue: MessageQueue) -> None:
    """One call gets at most what is ready divided by the members that fetch, rounded up."""
    members = [queue.join(100) for _ in range(3)]
    put(queue, *"1234567")

    assert names(queue.take(members[0], 100)) == ["1", "2", "3"]
    queue.stop(members[1])
    assert names(queue.take(members[2], 100)) == ["4", "5"]
    queue.leave(members[2])
    assert names(queue.take(members[0], 100)) == ["4", "5", "6", "7"]


# -- settling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [ACK, Ack(), Reject("no use")])
def test_done(queue: MessageQueue, outcome: Outcome) -> None:
    """A message that was acknowledged or rejected does not come back."""
    member = queue.join(1)
    put(queue, "1", "2")
    (delivery,) = queue.take(member, 1)

    assert settle(delivery, outcome)
    assert names(queue.take(member, 1)) == ["2"]


def test_first_settlement_wins(queue: MessageQueue) -> None:
    """The first outcome counts and says so; any further one does nothing and says so."""
    member = queue.join(100)
    put(queue, "1")
    (delivery,) = queue.take(member, 1)

    assert settle(delivery, Retry())
    assert not settle(delivery, Retry())
    assert not settle(delivery, ACK)
    (again,) = queue.take(member, 1)
    assert not settle(delivery, ACK)
    assert settle(again, ACK)


def test_rejection_is_logged_quietly(queue: MessageQueue, caplog: pytest.LogCaptureFixture) -> None:
    """A rejection leaves a line at DEBUG with topic and reason, and nothing above."""
    caplog.set_level(logging.DEBUG)
    member = queue.join(100)
    put(queue, "1")
    settle(queue.take(member, 1)[0], Reject("no use"))

    assert caplog.record_tuples == [("spa_inmemory", logging.DEBUG, "message on 't' rejected: no use")]


def test_retry(queue: MessageQueue) -> None:
    """A retried message comes back in front, as one more attempt, redelivered and otherwise unchanged."""
    member = queue.join(100)
    put(queue, "1", "2")
    (delivery,) = queue.take(member, 1)
    settle(delivery, Retry())
    again, other = queue.take(member, 2)

    assert again.message is delivery.message
    assert (again.attempt, again.redelivered) == (2, True)
    assert (other.attempt, other.redelivered) == (1, False)


def test_hundred_retries(queue: MessageQueue) -> None:
    """A message can be retried again and again; its attempts are counted."""
    member = queue.join(1)
    put(queue, "1")
    for attempt in range(1, 101):
        (delivery,) = queue.take(member, 1)

        assert delivery.attempt == attempt
        settle(delivery, Retry())


def test_delayed_retry(queue: MessageQueue, clock: Mock) -> None:
    """A message retried with a delay does not come early and holds nothing up."""
    member = queue.join(100)
    put(queue, "1", "2")
    settle(queue.take(member, 1)[0], Retry(delay=5.0))

    assert names(queue.take(member, 10)) == ["2"]
    clock.return_value += 4.9
    assert queue.take(member, 10) == []
    clock.return_value += 0.2
    (again,) = queue.take(member, 10)
    assert (names([again]), again.attempt) == (["1"], 2)


def test_expiry(queue: MessageQueue, clock: Mock) -> None:
    """A message that has expired is skipped and counted, whether it is fresh, comes back or waits behind its key."""
    member, other = queue.join(100), queue.join(100)
    for name in ("a1", "a2", "a3", "5"):
        queue.offer(SpaMessage(topic="t", payload=name, key=name[0]), clock.return_value + 1)  # type: ignore[arg-type]
    put(queue, "6")
    (first,) = queue.take(member, 1)
    assert names(queue.take(other, 1)) == ["5"]
    settle(first, Retry())
    (again,) = queue.take(member, 1)
    clock.return_value += 1

    assert names([again]) == ["a1"]
    assert names(queue.take(member, 10)) == ["6"]
    assert (queue.expired, len(queue)) == (2, 0)
    settle(again, Retry())
    assert queue.take(member, 10) == []
    assert queue.expired == 3


def test_no_expiry_once_settled(queue: MessageQueue, clock: Mock) -> None:
    """A message that was settled in time is not counted as expired."""
    member = queue.join(100)
    queue.offer(SpaMessage(topic="t"), clock.return_value + 1)
    settle(queue.take(member, 1)[0])
    clock.return_value += 2
    put(queue, "1")

    assert names(queue.take(member, 1)) == ["1"]
    assert queue.expired == 0


# -- members -----------------------------------------------------------------------------------------------------------


def test_leaving_gives_back(queue: MessageQueue) -> None:
    """What a member had unsettled goes to the others in the original order, as one more attempt."""
    member = queue.join(100)
    put(queue, *"12345")
    batch = queue.take(member, 4)
    settle(batch[1])
    queue.leave(member)
    batch_again = queue.take(queue.join(100), 10)

    assert names(batch_again) == ["1", "3", "4", "5"]
    assert [delivery.attempt for delivery in batch_again] == [2, 2, 2, 1]
    assert not settle(batch[0])


def test_stopping(queue: MessageQueue) -> None:
    """A stopped member settles what it has and shares in nothing more; stopping again does nothing."""
    member, other = queue.join(100), queue.join(100)
    put(queue, "1", "2")
    (delivery,) = queue.take(member, 1)
    queue.stop(member)
    queue.stop(member)

    assert queue.fetching == 1
    assert settle(delivery)
    assert names(queue.take(other, 10)) == ["2"]


def test_closing(queue: MessageQueue) -> None:
    """A closed queue drops what waits and takes nothing back, but can be settled with."""
    member = queue.join(100)
    put(queue, "1", "2", "3")
    first, second = queue.take(member, 2)
    queue.close()

    assert len(queue) == 0
    assert settle(first, Retry())
    assert settle(second, ACK)
    assert len(queue) == 0


# -- keys --------------------------------------------------------------------------------------------------------------


def test_key_stays_with_one_member(queue: MessageQueue) -> None:
    """While a key is in flight at one member, others get only what has another key or none."""
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1", "a2", "b1", "a3", "1")
    (first,) = queue.take(ann, 1)

    assert names([first]) == ["a1"]
    assert names(queue.take(bob, 2)) == ["b1", "1"]
    assert names(queue.take(ann, 10)) == ["a2", "a3"]
    assert len(queue) == 0


def test_parked_expire(queue: MessageQueue, clock: Mock) -> None:
    """What waits behind a key expires there like anywhere, and the rest of the key goes on."""
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1")
    queue.offer(SpaMessage(topic="t", key=b"a"), clock.return_value + 1)
    put(queue, "a3")
    queue.take(ann, 1)
    assert queue.take(bob, 10) == []
    clock.return_value += 1

    assert names(queue.take(ann, 10)) == ["a3"]
    assert (len(queue), queue.expired) == (0, 1)


def test_parked_come_back_in_order(queue: MessageQueue) -> None:
    """What waits behind a key is for all, in order, once the key is free."""
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1", "a2", "a3")
    (first,) = queue.take(ann, 1)
    assert queue.take(bob, 10) == []
    put(queue, "a4")
    settle(first)

    assert names(queue.take(bob, 10)) == ["a2", "a3"]
    assert queue.take(ann, 10) == []
    assert names(queue.take(bob, 10)) == ["a4"]


def test_retried_goes_before_what_is_parked(queue: MessageQueue) -> None:
    """A retried message of a key that is still in flight comes before later ones of that key."""
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1", "a2", "a3", "a4")
    first, second = queue.take(ann, 2)
    assert queue.take(bob, 2) == []
    settle(first, Retry())

    assert queue.take(bob, 10) == []
    assert names(queue.take(ann, 1)) == ["a1"]
    assert names(queue.take(ann, 10)) == ["a3", "a4"]
    settle(second)
    assert queue.take(bob, 10) == []


def test_retried_last_of_a_key(queue: MessageQueue) -> None:
    """Retrying the only message in flight of a key puts it before the parked ones, for anybody."""
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1", "a2", "1")
    (first,) = queue.take(ann, 1)
    assert names(queue.take(bob, 1)) == ["1"]
    settle(first, Retry())

    assert names(queue.take(bob, 1)) == ["a1"]


def test_leaving_gives_keys_back(queue: MessageQueue) -> None:
    """A member that leaves gives its keys back with its messages, in order with what was parked behind them."""
    ann, bob, cid = (queue.join(100) for _ in range(3))
    put(queue, "a1", "a2", "a3")
    queue.take(ann, 1)
    assert queue.take(bob, 10) == []
    queue.leave(ann)

    assert names(queue.take(bob, 1)) == ["a1"]
    assert queue.take(cid, 10) == []
    assert names(queue.take(bob, 10)) == ["a2", "a3"]


def test_last_member_gets_what_is_parked(queue: MessageQueue) -> None:
    """A member that is left alone gets what was parked for it in its place."""
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1", "a2")
    queue.take(ann, 1)
    assert queue.take(bob, 10) == []
    put(queue, "1")
    queue.leave(bob)

    assert names(queue.take(ann, 10)) == ["a2", "1"]


def test_a_newcomer_respects_keys_in_flight(queue: MessageQueue) -> None:
    """A member that joins gets nothing with a key that was in flight before it joined."""
    ann = queue.join(100)
    put(queue, "a1", "a2", "1")
    (first,) = queue.take(ann, 1)
    bob = queue.join(100)

    assert names(queue.take(bob, 1)) == ["1"]
    settle(first)
    assert names(queue.take(bob, 1)) == ["a2"]


# -- sleeping ----------------------------------------------------------------------------------------------------------


def sleeper(queue: MessageQueue, woken: list[str], name: str, prefetch: int = 100) -> Member:
    """Return a new member that is asleep."""
    member = queue.join(prefetch)
    queue.sleep(member, lambda: woken.append(name))
    return member


def test_longest_idle_is_woken(queue: MessageQueue) -> None:
    """Each message wakes one sleeper, the longest idle first."""
    woken: list[str] = []
    for name in ("ann", "bob", "cid"):
        sleeper(queue, woken, name)
    put(queue, "1", "2")

    assert woken == ["ann", "bob"]
    put(queue, "3", "4")
    assert woken == ["ann", "bob", "cid"]


def test_wake_is_passed_on(queue: MessageQueue) -> None:
    """A member that was woken and stops lets the next one know what is there."""
    woken: list[str] = []
    ann = sleeper(queue, woken, "ann")
    sleeper(queue, woken, "bob")
    put(queue, "1")
    queue.stop(ann)

    assert woken == ["ann", "bob"]


def test_rest_is_passed_on(queue: MessageQueue) -> None:
    """A member that does not take everything lets the next one know."""
    woken: list[str] = []
    ann = sleeper(queue, woken, "ann")
    put(queue, "1", "2")
    sleeper(queue, woken, "bob")
    queue.take(ann, 1)

    assert woken == ["ann", "bob"]


def test_stopping_wakes(queue: MessageQueue) -> None:
    """A sleeper that is stopped wakes up, and is woken no more."""
    woken: list[str] = []
    ann = sleeper(queue, woken, "ann")
    queue.stop(ann)
    put(queue, "1")

    assert woken == ["ann"]


def test_sleeping_for_prefetch(queue: MessageQueue) -> None:
    """A member with its prefetch in flight is woken by settling, not by messages."""
    woken: list[str] = []
    ann = queue.join(1)
    put(queue, "1")
    (delivery,) = queue.take(ann, 1)
    queue.sleep(ann, lambda: woken.append("ann"))
    put(queue, "2")

    assert woken == []
    settle(delivery)
    assert woken == ["ann"]


def test_settling_wakes_no_sleeper_for_messages(queue: MessageQueue) -> None:
    """A member that sleeps for messages is not woken by settling another."""
    woken: list[str] = []
    ann = queue.join(2)
    put(queue, "1")
    (delivery,) = queue.take(ann, 2)
    queue.sleep(ann, lambda: woken.append("ann"))
    settle(delivery)

    assert woken == []


def test_delay_wakes_all(queue: MessageQueue, clock: Mock) -> None:
    """A delay that ends first of all makes sleepers ask anew when to wake; a later one does not."""
    woken: list[str] = []
    ann = queue.join(100)
    put(queue, "1", "2", "3")
    first, second, third = queue.take(ann, 3)
    assert queue.sleep(ann, lambda: woken.append("ann")) is None
    sleeper(queue, woken, "bob")
    settle(first, Retry(delay=5))

    assert woken == ["ann", "bob"]
    assert queue.sleep(ann, lambda: woken.append("ann")) == clock.return_value + 5
    settle(second, Retry(delay=6))
    assert woken == ["ann", "bob"]
    settle(third, Retry(delay=1))
    assert woken == ["ann", "bob", "ann"]


def test_parking_wakes_the_owner(queue: MessageQueue) -> None:
    """The owner of a key is woken when something is parked for it; others are not."""
    woken: list[str] = []
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1")
    (delivery,) = queue.take(ann, 1)
    sleeper(queue, woken, "cid")
    queue.sleep(ann, lambda: woken.append("ann"))
    put(queue, "a2")
    assert woken == ["cid"]
    queue.take(bob, 1)

    assert woken == ["cid", "ann"]
    put(queue, "a3")
    queue.take(bob, 1)
    settle(delivery)
    assert woken == ["cid", "ann"]


def test_free_key_wakes(queue: MessageQueue) -> None:
    """Whoever sleeps is woken for what was parked behind a key that becomes free."""
    woken: list[str] = []
    ann, bob = queue.join(100), queue.join(100)
    put(queue, "a1", "a2")
    (delivery,) = queue.take(ann, 1)
    queue.take(bob, 1)
    queue.sleep(bob, lambda: woken.append("bob"))
    settle(delivery)

    assert woken == ["bob"]


def test_idleness_of_a_queue_made_while_others_are_busy(clock: Mock) -> None:
    """A queue that is made while its broker is busy tells the broker's idleness, like any other."""
    idleness, told = Idleness(), list[str]()
    busy = MessageQueue("busy", limit=9, clock=clock, idleness=idleness)
    member = busy.join(9)
    idleness.add(member)
    put(busy, "1")
    late = MessageQueue("late", limit=9, clock=clock, idleness=idleness)
    late_member = late.join(9)
    idleness.add(late_member)
    put(late, "2")
    idleness.waiting.add(lambda: told.append("idle"))
    settle(busy.take(member, 1)[0])

    assert told == []
    settle(late.take(late_member, 1)[0])
    assert told == ["idle"]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_limit(make_queue: Callable[..., MessageQueue]) -> None:
    """A queue takes no more than its limit; what is in flight does not count, what comes back does."""
    queue = make_queue(limit=2)
    member = queue.join(100)
    put(queue, "1", "2")

    assert not queue.offer(SpaMessage(topic="t"), None)
    first, second = queue.take(member, 2)
    put(queue, "3")
    settle(first, Retry(delay=1))
    assert not queue.offer(SpaMessage(topic="t"), None)
    settle(second, Retry())
    assert len(queue) == 3
