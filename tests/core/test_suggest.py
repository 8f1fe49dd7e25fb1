"""The nearest match to a misspelt word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core._suggest import did_you_mean, nearest

SCHEMES = ("kafka", "memory", "mqtt", "mqtts")


@pytest.mark.parametrize(
    ("word", "match"), [("mqt", "mqtt"), ("mqttss", "mqtts"), ("kafak", "kafka"), ("memroy", "memory")]
)
def test_a_slip_is_recognised(word: str, match: str) -> None:
    """A letter left out, doubled or swapped leads to the word that was meant."""
    assert nearest(word, SCHEMES) == match
    assert did_you_mean(word, iter(SCHEMES)) == f"Did you mean '{match}'?"


@pytest.mark.parametrize(("word", "options"), [("amqp", ("kafka", "memory")), ("", SCHEMES), ("mqtt", ())])
def test_nothing_close_is_no_suggestion(word: str, options: tuple[str, ...]) -> None:
    """Where nothing is alike, nothing is suggested: a wrong hint is worse than none."""
    assert nearest(word, options) is None
    assert did_you_mean(word, options) is None


@given(st.text(), st.lists(st.text(), max_size=5))
def test_a_suggestion_is_one_of_the_options(word: str, options: list[str]) -> None:
    """Whatever is asked, the answer is an option or none, and a word that is an option is its own nearest."""
    match = nearest(word, options)

    assert match is None or match in options
    assert nearest(word, [*options, word]) == word
