"""What waits to be handed out: order, delays, expiry and bounds, for any course of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from spa_mqtt.arrivals import Arrivals, Item
from spa_mqtt.packets import Incoming

if TYPE_CHECKING:
    from spa_mqtt.source import Source

ONE: Any = object()
OTHER: Any = object()


def item(number: int, *, source: Source = ONE, qos: int = 1, expires: float | None = None) -> Item:
    """Return a message that was received."""
    incoming = Incoming("a", b"", number, qos, retain=False, dup=False, properties=b"")
    return Item(incoming, source, number, 1, expires)


def numbers(items: list[Item]) -> list[int]:
    """Return the numbers of messages."""
    return [each.number for each in items]


@given(st.lists(st.tuples(st.integers(1, 10), st.lists(st.booleans(), min_size=10, max_size=10)), max_size=30))
def test_order_and_bounds_hold(rounds: list[tuple[int, list[bool]]]) -> None:
    """However messages are taken and given back, no more than the prefetch are in hand, and none overtakes another."""
    arrivals = Arrivals(prefetch=4)
    for number in range(20):
        arrivals.put(item(number))
    in_hand: list[Item] = []
    waiting = list(range(20))
    for most, again in rounds:
        taken, expired = arrivals.take(most, now=0.0)

        assert numbers(taken) == waiting[: min(most, 4 - len(in_hand))]
        assert expired == []
        waiting = waiting[len(taken) :]
        in_hand += taken
        for each, gives_back in zip(list(in_hand), again, strict=False):
            in_hand.remove(each)
            if gives_back:
                arrivals.put_again(each, None)
                waiting = sorted([*waiting, each.number])
            else:
                arrivals.out_of_hand(each)


def test_what_is_delayed_comes_when_it_is_due() -> None:
    """A message that was given back with a delay comes when it is due, in its place, and others come meanwhile."""
    arrivals = Arrivals(prefetch=10)
    for number in range(4):
        arrivals.put(item(number))
    [first, second], _ = arrivals.take(2, now=0.0)
    arrivals.put_again(first, 5.0)
    arrivals.put_again(second, 3.0)

    assert arrivals.next_due == 3.0
    assert numbers(arrivals.take(1, now=1.0)[0]) == [2]
    assert numbers(arrivals.take(10, now=3.0)[0]) == [1, 3]
    assert numbers(arrivals.take(10, now=5.0)[0]) == [0]
    assert arrivals.next_due is None


def test_expired_messages_come_out_apart() -> None:
    """A message whose time has ended takes nobody's place."""
    arrivals = Arrivals(prefetch=2)
    for number, expires in enumerate((1.0, None, 1.0, 9.0)):
        arrivals.put(item(number, expires=expires))
    taken, expired = arrivals.take(10, now=2.0)

    assert (numbers(taken), numbers(expired)) == ([1, 3], [0, 2])


def test_a_source_that_ends_takes_its_messages_with_it() -> None:
    """What came from one source comes out whole, what waits and what is in hand, and frees its places."""
    arrivals = Arrivals(prefetch=3)
    for number in range(6):
        arrivals.put(item(number, source=ONE if number % 2 else OTHER))
    [_, one, _], _ = arrivals.take(3, now=0.0)
    arrivals.put_again(one, 7.0)
    waiting, in_hand = arrivals.remove(OTHER)

    assert (numbers(waiting), numbers(in_hand)) == ([4], [0, 2])
    assert numbers(arrivals.take(9, now=7.0)[0]) == [1, 3, 5]


def test_only_level_0_is_dropped() -> None:
    """The oldest message that the broker expects no answer for is dropped, and no other."""
    arrivals = Arrivals(prefetch=10)
    for number, qos in enumerate((1, 0, 0)):
        arrivals.put(item(number, qos=qos))

    assert [arrivals.drop_oldest_of_level_0() for _ in range(3)] == [True, True, False]
    assert numbers(arrivals.take(9, now=0.0)[0]) == [0]
