"""Publishes that wait for room, and circles of such waiting; no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spa_core import SpaMessage
from spa_core.errors import QueueFullError, SocketClosedError
from spa_core.transport import Retry
from spa_inmemory.room import Refusal, WaitingPublish, break_circles

if TYPE_CHECKING:
    from collections.abc import Callable
    from unittest.mock import Mock

    from spa_inmemory.members import Member
    from spa_inmemory.queues import MessageQueue


def full(make_queue: Callable[..., MessageQueue], name: str) -> MessageQueue:
    """Return a queue with room for two messages and two messages."""
    queue = make_queue(name, limit=2)
    while queue.offer(SpaMessage(topic="old", payload="old"), None):
        pass
    return queue


def publish(
    payload: str, *queues: MessageQueue, publisher: Member | None = None, woken: list[str] | None = None
) -> WaitingPublish:
    """Let a message wait for room in *queues*."""
    waiting = WaitingPublish(publisher, lambda: None if woken is None else woken.append(payload))
    for queue in queues:
        waiting.wait_for(Refusal(queue, SpaMessage(topic="new", payload=payload), None))
    return waiting


def drain(queue: MessageQueue) -> list[str]:
    """Return the payloads of what a new member can take."""
    member = queue.join(100)
    return [delivery.message.payload.decode() for delivery in queue.take(member, 100)]


# -- lines -------------------------------------------------------------------------------------------------------------


def test_first_come_first_served(make_queue: Callable[..., MessageQueue]) -> None:
    """Room goes to those who wait, in the order they came."""
    queue, woken = full(make_queue, "q"), list[str]()
    for payload in "123":
        publish(payload, queue, woken=woken)
    member = queue.join(100)
    queue.take(member, 2)

    assert woken == ["1", "2"]
    assert len(queue) == 2
    assert drain(queue) == ["1"]
    assert woken == ["1", "2", "3"]


def test_several_queues(make_queue: Callable[..., MessageQueue]) -> None:
    """A publish is done once all its queues have the message or are gone."""
    one, two, woken = full(make_queue, "one"), full(make_queue, "two"), list[str]()
    publish("1", one, two, woken=woken)

    assert drain(one) == ["old", "old"]
    assert woken == []
    two.close()
    assert woken == ["1"]
    assert drain(one) == ["1"]


def test_withdrawing(make_queue: Callable[..., MessageQueue]) -> None:
    """A publish that is given up leaves every line; the one behind moves up."""
    queue, woken = full(make_queue, "q"), list[str]()
    first = publish("1", queue, woken=woken)
    publish("2", queue, woken=woken)
    first.withdraw()
    queue.take(queue.join(1), 1)

    assert woken == ["2"]
    first.withdraw()


def test_failing(make_queue: Callable[..., MessageQueue]) -> None:
    """A publish that is made to fail wakes up with the error and leaves its lines."""
    queue, woken, error = full(make_queue, "q"), list[str](), SocketClosedError("gone")
    waiting = publish("1", queue, woken=woken)
    waiting.fail(error)

    assert waiting.error is error
    assert woken == ["1"]
    assert drain(queue) == ["old", "old"]
    assert not queue.publishers


def test_room_made_by_expiry(make_queue: Callable[..., MessageQueue], clock: Mock) -> None:
    """A call that finds only expired messages hands out what the room they leave lets in."""
    queue = make_queue(limit=2)
    for _ in range(2):
        queue.offer(SpaMessage(topic="t", payload="old"), clock.return_value)
    publish("1", queue)
    publish("2", queue)
    publish("3", queue)

    assert drain(queue) == ["1", "2"]
    assert drain(queue) == ["3"]


def test_error_says_all(make_queue: Callable[..., MessageQueue]) -> None:
    """The error names the queue, its limit and the way out."""
    error = Refusal(full(make_queue, "the queue of x"), SpaMessage(topic="t"), None).error("and I will not wait")

    assert (error.topic, error.queue, error.limit, error.retriable) == ("t", "the queue of x", 2, True)
    assert str(error) == (
        "message on 't' not accepted: the queue of x is full (limit 2), and I will not wait. "
        "Take messages faster, publish more slowly, or raise queue_size or publish_timeout"
    )


# -- circles -----------------------------------------------------------------------------------------------------------


def test_own_queue(make_queue: Callable[..., MessageQueue]) -> None:
    """A handler does not wait for its own queue: it takes the reserve, and fails at once when that is full too."""
    queue = full(make_queue, "q")
    member = queue.join(100)
    for payload in "12":
        assert not publish(payload, queue, publisher=member).refusals

    assert len(queue) == 4
    with pytest.raises(QueueFullError, match="circle"):
        publish("3", queue, publisher=member)


def test_free_member(make_queue: Callable[..., MessageQueue]) -> None:
    """A handler waits for its own queue while another member can make room there."""
    queue, woken = full(make_queue, "q"), list[str]()
    member, other = queue.join(100), queue.join(100)
    publish("1", queue, publisher=member, woken=woken)

    assert woken == []
    queue.take(other, 1)
    assert woken == ["1"]


def test_last_free_member(make_queue: Callable[..., MessageQueue]) -> None:
    """The handler that would be the last to wait takes the reserve; the others go on waiting."""
    queue = full(make_queue, "q")
    ann, bob = queue.join(100), queue.join(100)

    assert publish("1", queue, publisher=ann).refusals
    assert not publish("2", queue, publisher=bob).refusals


def test_circle_of_three(make_queue: Callable[..., MessageQueue]) -> None:
    """A circle through several queues is found by the publish that would close it."""
    queues = [full(make_queue, name) for name in "abc"]
    members = [queue.join(100) for queue in queues]

    assert publish("1", queues[1], publisher=members[0]).refusals
    assert publish("2", queues[2], publisher=members[1]).refusals
    assert not publish("3", queues[0], publisher=members[2]).refusals


def test_chain(make_queue: Callable[..., MessageQueue]) -> None:
    """A chain that ends with somebody who can go on is no circle."""
    queues = [full(make_queue, name) for name in "abc"]
    members = [queue.join(100) for queue in queues]
    waiting = publish("1", queues[1], publisher=members[0])

    assert waiting.refusals
    assert publish("2", queues[2], publisher=members[1]).refusals
    queues[2].take(members[2], 1)
    queues[1].take(members[1], 1)
    assert not waiting.refusals


def test_chain_beside_the_publisher(make_queue: Callable[..., MessageQueue]) -> None:
    """A handler waits for its own queue while another member can go on once somebody further on has made room."""
    queue, onward = full(make_queue, "q"), full(make_queue, "onward")
    ann, bob = queue.join(100), queue.join(100)
    onward.join(100)

    assert publish("1", onward, publisher=bob).refusals
    assert publish("2", queue, publisher=ann).refusals


def test_way_around(make_queue: Callable[..., MessageQueue]) -> None:
    """A member is held up by one waiting handler, whatever else could go on."""
    one, two, free = (full(make_queue, name) for name in ("one", "two", "free"))
    ann, bob = one.join(100), two.join(100)
    free.join(100)
    publish("1", two, publisher=ann)
    publish("2", free, publisher=ann)

    assert not publish("3", one, publisher=bob).refusals


def test_nobody_there(make_queue: Callable[..., MessageQueue]) -> None:
    """A queue without members is waited for: somebody may come."""
    member = make_queue().join(100)

    assert publish("1", full(make_queue, "q"), publisher=member).refusals


def test_circle_of_others(make_queue: Callable[..., MessageQueue]) -> None:
    """Who waits for a circle but is not in it waits: the circle ends by itself."""
    queue, outside = full(make_queue, "q"), make_queue("outside").join(100)
    member = queue.join(100)
    queue.stop(member)

    assert publish("1", queue, publisher=outside).refusals


def test_stopped_member(make_queue: Callable[..., MessageQueue]) -> None:
    """A handler of a stopped member takes the reserve of its queue, since nobody else is there to make room."""
    queue = full(make_queue, "q")
    member = queue.join(100)
    queue.stop(member)

    assert not publish("1", queue, publisher=member).refusals


def test_stopped_member_makes_no_room(make_queue: Callable[..., MessageQueue]) -> None:
    """A member that has stopped is nobody to wait for."""
    queue = full(make_queue, "q")
    member, stopped = queue.join(100), queue.join(100)
    queue.stop(stopped)

    assert not publish("1", queue, publisher=member).refusals


def test_reserve_wakes(make_queue: Callable[..., MessageQueue]) -> None:
    """What goes into the reserve of a queue that is full of delayed messages wakes a reader that sleeps."""
    queue, woken = full(make_queue, "q"), list[str]()
    member = queue.join(100)
    for delivery in queue.take(member, 2):
        member.in_flight.remove(delivery)
        queue.settle(delivery, Retry(delay=60))
    queue.sleep(member, lambda: woken.append("member"))
    publish("1", queue, publisher=member)

    assert woken == ["member"]
    assert [delivery.message.payload for delivery in queue.take(member, 9)] == [b"1"]


def test_finished_publish_holds_nobody_up(make_queue: Callable[..., MessageQueue]) -> None:
    """A publish that has ended counts no more."""
    one, two = full(make_queue, "one"), full(make_queue, "two")
    ann, bob = one.join(100), two.join(100)
    publish("1", two, publisher=ann).withdraw()

    assert publish("2", one, publisher=bob).refusals


def test_circle_closed_by_stopping(make_queue: Callable[..., MessageQueue]) -> None:
    """A circle that closes because a member stops is broken then: into the reserve, or with the error beyond it."""
    queue, woken = full(make_queue, "q"), list[str]()
    ann, bob = queue.join(100), queue.join(100)
    waiting = [publish(payload, queue, publisher=ann, woken=woken) for payload in "123"]
    outside = publish("4", queue, woken=woken)
    break_circles(queue)
    assert woken == []
    queue.stop(bob)
    break_circles(queue)

    assert woken == ["1", "2", "3"]
    assert [type(each.error) for each in waiting] == [type(None), type(None), QueueFullError]
    assert outside.refusals
    assert drain(queue) == ["old", "old"]
