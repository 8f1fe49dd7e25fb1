"""The failure policy: a value and its arithmetic."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core import FailurePolicy
from spa_core.errors import ParameterError

SECONDS = st.floats(0, 1e6)


@given(backoff=st.just(0.0) | st.floats(1e-3, 1e6), longest=SECONDS, after=st.integers(1, 10**9))
def test_pauses_double_up_to_their_bound(backoff: float, longest: float, after: int) -> None:
    """The bound of a pause doubles with each failed attempt and never exceeds ``max_backoff``, even after days."""
    policy = FailurePolicy(backoff=backoff, max_backoff=longest)

    expected = backoff * 2.0 ** (after - 1) if after < 60 else math.inf if backoff else 0.0
    assert policy.longest_pause(after=after) == min(longest, expected)


@given(backoff=SECONDS, longest=SECONDS, after=st.integers(1, 100))
def test_a_pause_lies_between_nothing_and_its_bound(backoff: float, longest: float, after: int) -> None:
    """Full jitter: every pause is at least 0 and at most its bound."""
    policy = FailurePolicy(backoff=backoff, max_backoff=longest)

    assert 0 <= policy.pause(after=after) <= policy.longest_pause(after=after)


def test_pauses_differ() -> None:
    """Two consumers that fail together do not come back together."""
    policy = FailurePolicy(backoff=100)

    assert len({policy.pause(after=1) for _ in range(10)}) > 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempts", 0),
        ("attempts", -1),
        ("attempts", 1.5),
        ("attempts", "3"),
        ("backoff", -0.1),
        ("backoff", "1s"),
        ("max_backoff", -1),
        ("redeliver_after", (1.0, -1.0)),
        ("redeliver_after", ("soon",)),
        ("redeliver_after", (math.nan,)),
        ("then", "dead_letter"),
        ("then", None),
        ("dead_letter_topic", 7),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_where_it_is_given(field: str, value: object) -> None:
    """A typo surfaces when the policy is made, not when the first message fails, and is named."""
    with pytest.raises(ParameterError, match=field):
        FailurePolicy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["backoff", "max_backoff"])
def test_a_pause_is_a_finite_number(field: str, value: float) -> None:
    """A bound that is no number of seconds is refused: nobody could wait for it."""
    with pytest.raises(ParameterError, match=field):
        FailurePolicy(**{field: value})  # type: ignore[arg-type]


def test_an_unknown_end_names_the_allowed_ones() -> None:
    """Who misspells an end is told all of them."""
    with pytest.raises(ParameterError) as caught:
        FailurePolicy(then="dead-leter")  # type: ignore[arg-type]

    assert set(caught.value.allowed) == {"dead-letter", "drop", "stop"}


def test_a_policy_is_a_value() -> None:
    """Policies are compared by what they say and never change."""
    assert FailurePolicy(attempts=2) == FailurePolicy(attempts=2)
    with pytest.raises(AttributeError):
        FailurePolicy().attempts = 5  # type: ignore[misc]
