"""Pauses between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.transport import Backoff


@given(st.floats(0.01, 1.0), st.floats(1.0, 60.0))
def test_pauses_stay_below_a_bound_that_doubles(first: float, most: float) -> None:
    """Every pause is below a bound that begins at the first and doubles up to the most."""
    backoff = Backoff(first, most)
    bounds = [min(most, first * 2**attempt) for attempt in range(60)]

    assert all(0 <= backoff.pause() <= bound for bound in bounds)


def test_pauses_grow_and_begin_again() -> None:
    """Pauses stay below a bound that doubles up to the most, and begin again after a success."""
    backoff = Backoff(0.1, 5)
    pauses = [backoff.pause() for _ in range(100)]
    backoff.reset()

    assert all(0 <= pause <= min(5, 0.1 * 2**number) for number, pause in enumerate(pauses))
    assert max(pauses) > 1
    assert backoff.pause() <= 0.1


def test_it_never_gives_up() -> None:
    """After however many failures there is a next pause, of at most the longest."""
    backoff = Backoff(0.1, 30.0)

    assert all(backoff.pause() <= 30.0 for _ in range(2000))


def test_a_steady_connection_begins_anew() -> None:
    """After a connection that lasted the first pause is short again; after one that did not it is not."""
    backoff = Backoff(0.1, 1000.0)
    for _ in range(40):
        backoff.pause()
    backoff.lasted(Backoff.STEADY / 2)
    assert max(backoff.pause() for _ in range(50)) > 0.1
    backoff.lasted(Backoff.STEADY)
    assert backoff.pause() <= 0.1


@pytest.mark.parametrize("most", [1.0, 30.0])
def test_a_long_pause_is_long(most: float) -> None:
    """A pause of the longest kind is at least half of the longest bound."""
    assert all(most / 2 <= Backoff(0.1, most).long_pause() <= most for _ in range(50))
