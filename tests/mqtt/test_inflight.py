"""The order of acknowledgements: a contiguous finished prefix, and nothing of a connection that has ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spa_mqtt.inflight import Inflight, Receipt


@given(st.permutations(range(20)), st.lists(st.integers(0, 20)))
def test_only_the_finished_prefix_is_acknowledged_in_order_of_receipt(order: list[int], looks: list[int]) -> None:
    """However messages finish, what is acknowledged is always the longest finished prefix, each message once."""
    inflight = Inflight()
    receipts = [Receipt(mid, qos=1) for mid in range(1, 21)]
    for receipt in receipts:
        inflight.received(receipt)
    acknowledged: list[int] = []
    for place, number in enumerate(order):
        assert inflight.done(receipts[number])
        if place in looks:
            acknowledged += [mid for mid, _ in inflight.acknowledgeable()]
            finished = {receipts[each].mid for each in order[: place + 1]}
            prefix = next(mid for mid in range(1, 22) if mid not in finished) - 1

            assert acknowledged == list(range(1, prefix + 1))
    acknowledged += [mid for mid, _ in inflight.acknowledgeable()]

    assert acknowledged == list(range(1, 21))
    assert len(inflight) == 0


def test_a_message_of_level_0_is_never_acknowledged() -> None:
    """A message of level 0 can be finished, and nothing is to be told the broker."""
    inflight = Inflight()
    receipt = Receipt(0, qos=0)
    inflight.received(receipt)

    assert inflight.done(receipt)
    assert inflight.acknowledgeable() == []
    assert len(inflight) == 0


def test_the_end_of_a_connection_makes_everything_void() -> None:
    """What came on a connection that has ended cannot be finished, even if its identifier is in use again."""
    inflight = Inflight()
    old, new = Receipt(7, qos=1), Receipt(7, qos=1)
    inflight.received(old)
    inflight.connection_lost()
    inflight.received(new)

    assert not inflight.done(old)
    assert inflight.acknowledgeable() == []
    assert inflight.done(new)
    assert inflight.acknowledgeable() == [(7, 1)]


def test_a_message_is_finished_once() -> None:
    """Finishing a message again changes nothing and says so."""
    inflight = Inflight()
    receipt = Receipt(1, qos=2)
    inflight.received(receipt)

    assert (inflight.done(receipt), inflight.done(receipt)) == (True, False)
    assert inflight.acknowledgeable() == [(1, 2)]
    assert not inflight.done(receipt)
