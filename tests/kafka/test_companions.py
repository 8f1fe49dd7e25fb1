"""Members of one group that want different topics: apart they are two groups, overlapping they are refused."""

from __future__ import annotations

from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import SubscribeError
from spa_core.topics import matches
from spa_kafka.companions import Companions, overlap
from spa_kafka.topics import TopicSelection, kafka_name

levels = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)


@st.composite
def filters(draw: st.DrawFn) -> str:
    """Draw a filter of few levels, with and without wildcards."""
    parts = draw(st.lists(st.sampled_from(["a", "b", "c", "+"]), min_size=1, max_size=4))
    return "/".join([*parts, "#"] if draw(st.booleans()) else parts)


@given(one=filters(), other=filters(), topic=levels.map("/".join))
def test_what_two_filters_match_overlaps(one: str, other: str, topic: str) -> None:
    """Filters that match one topic overlap, whichever is asked first."""
    if matches(one, topic) and matches(other, topic):
        assert overlap(TopicSelection([one]), TopicSelection([other]))
    assert overlap(TopicSelection([one]), TopicSelection([other])) == overlap(
        TopicSelection([other]), TopicSelection([one])
    )


@given(one=filters(), other=filters())
def test_what_overlaps_has_a_topic_that_both_match(one: str, other: str) -> None:
    """Filters that overlap both select some topic: one of those with the levels of either in the wildcards' places."""
    if not overlap(TopicSelection([one]), TopicSelection([other])):
        return
    pairs = zip_longest(one.removesuffix("/#").split("/"), other.removesuffix("/#").split("/"), fillvalue="+")
    topic = "/".join(next((part for part in pair if part != "+"), "a") for pair in pairs)

    assert TopicSelection([one]).selects(kafka_name(topic))
    assert TopicSelection([other]).selects(kafka_name(topic))


@pytest.mark.parametrize(
    ("first", "second"), [(["orders"], ["orders"]), (["a", "b"], ["b", "a"]), (["orders"], ["bills", "plants/#"])]
)
def test_members_that_share_everything_or_nothing(first: list[str], second: list[str]) -> None:
    """Members of a group may want the same topics, in any order, or topics that have nothing in common."""
    companions = Companions()
    companions.join("broker", "billing", TopicSelection(first))

    companions.join("broker", "billing", TopicSelection(second))


@pytest.mark.parametrize("second", ["orders/#", "+/new", "orders.new"])
def test_members_that_overlap_are_refused(second: str) -> None:
    """A member that wants some of what another one wants, and something else, is refused, and names both."""
    companions = Companions()
    companions.join("broker", "billing", first := TopicSelection(["orders/new", "bills"]))
    with pytest.raises(SubscribeError) as refusal:
        companions.join("broker", "billing", TopicSelection([second]))

    assert second in str(refusal.value)
    assert "orders/new, bills" in str(refusal.value)
    assert refusal.value.topics == (second,)
    companions.join("broker", "shipping", TopicSelection([second]))
    companions.join("other", "billing", TopicSelection([second]))
    companions.leave("broker", "billing", first)
    companions.join("broker", "billing", TopicSelection([second]))
