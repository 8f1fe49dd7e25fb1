"""Which filters are asked for and which copies count, for any filters, topics and ways of copying."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from spa_core.topics import matches
from spa_mqtt.routes import Routes, covers

levels = st.sampled_from(["a", "b", "", "$x"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.tuples(
    st.lists(st.one_of(levels, st.just("+")), min_size=1, max_size=3), st.sampled_from([[], ["#"]])
).map(lambda parts: "/".join([*parts[0], *parts[1]])).filter(bool) | st.just("#")

EVERY_TOPIC = [
    "/".join(parts) for size in range(1, 5) for parts in itertools.product(["a", "b", "", "$x"], repeat=size)
]


@given(filters, filters)
def test_a_filter_covers_another_only_if_it_matches_everything_that_does(wide: str, narrow: str) -> None:
    """Whenever one filter is said to cover another, no topic is matched by that one alone."""
    if covers(wide, narrow):
        assert [topic for topic in EVERY_TOPIC if topic and matches(narrow, topic) and not matches(wide, topic)] == []


def test_plain_cases_of_covering() -> None:
    """The cases that people write are recognised."""
    covered = [("plants/#", "plants"), ("plants/#", "plants/+"), ("plants/#", "plants/+/#"), ("+/flow", "a/flow")]
    not_covered = [("plants/+", "plants/#"), ("plants/+", "plants"), ("a/#", "b/#"), ("#", "$SYS/#"), ("+/a", "$x/a")]

    assert [pair for pair in covered if not covers(*pair)] == []
    assert [pair for pair in not_covered if covers(*pair)] == []


@given(st.lists(filters, min_size=1, max_size=5), topics, st.booleans())
def test_one_copy_counts(asked: list[str], topic: str, one_for_all: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """Of the copies that a broker sends, one for each filter that matches or one for all, exactly one counts."""
    routes = Routes(asked)
    matching = {place for place, each in enumerate(routes.filters, start=1) if matches(each, topic)}
    copies = [matching] if one_for_all and matching else [{place} for place in matching]

    assert sum(routes.counts(topic, copy) for copy in copies) == bool(matching)
    assert bool(matching) == any(matches(each, topic) for each in asked)
