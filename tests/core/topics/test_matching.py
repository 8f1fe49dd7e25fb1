"""Which filter matches which topic."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.topics import matches, validate_filter

LEVEL = st.sampled_from(["", "a", "b", "A", "$", "$a", "."])
TOPIC = st.lists(LEVEL | st.just("a\n"), min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = (
    st.lists(LEVEL | st.just("+"), min_size=1, max_size=4)
    .flatmap(lambda levels: st.sampled_from([levels, [*levels, "#"], ["#"]]))
    .map("/".join)
    .filter(bool)
)


def by_regex(topic_filter: str, topic: str) -> bool:
    """Say the same as ``matches`` by rewriting the filter's text, level by level from its end."""
    pattern = re.escape(topic_filter).replace(r"\+", "[^/]*")
    pattern = re.sub(r"(^|/)\\#$", lambda found: "(/.*)?" if found[1] else ".*", pattern)
    if topic_filter[0] in "+#":
        pattern = f"(?!\\$){pattern}"
    return re.fullmatch(pattern, topic, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("a/b", "a/b"),
        ("+", "a"),
        ("+/", "/"),
        ("+/", "a/"),
        ("/+", "/"),
        ("+/+", "/a"),
        ("a/+/b", "a//b"),
        ("a/+/b", "a/x/b"),
        ("#", "a"),
        ("#", "a/b/c"),
        ("#", "/"),
        ("a/#", "a"),
        ("a/#", "a/"),
        ("a/#", "a/b"),
        ("a/#", "a/b/c"),
        ("+/#", "a"),
        ("/#", "/a"),
        ("$SYS/#", "$SYS"),
        ("$SYS/#", "$SYS/broker/uptime"),
        ("$SYS/+/uptime", "$SYS/broker/uptime"),
        ("a/+", "a/$b"),
        ("a/#", "a/$b"),
    ],
)
def test_filter_matches(topic_filter: str, topic: str) -> None:
    """``+`` is one level, an empty one included; ``#`` is the rest and its parent; ``$`` is plain after the start."""
    assert matches(topic_filter, topic)


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("a", "A"),
        ("a", "/a"),
        ("/a", "a"),
        ("a", "a/"),
        ("a/b", "a"),
        ("a", "a/b"),
        ("+", "/"),
        ("+", "a/b"),
        ("a/+", "a"),
        ("a/+", "a/b/c"),
        ("a/b/#", "a"),
        ("a/#", "ab"),
        ("a/#", "b/a"),
        ("#", "$SYS"),
        ("#", "$SYS/broker/uptime"),
        ("+", "$SYS"),
        ("+/broker/uptime", "$SYS/broker/uptime"),
        ("+/#", "$SYS"),
        ("a.b", "a/b"),
    ],
)
def test_filter_does_not_match(topic_filter: str, topic: str) -> None:
    """Letters, the number of levels and empty levels count; a leading wildcard leaves ``$`` topics alone."""
    assert not matches(topic_filter, topic)


@given(topic_filter=FILTER, topic=TOPIC)
def test_matching_equals_a_regular_expression(topic_filter: str, topic: str) -> None:
    """Matching says the same as an independent rewriting of filters to regular expressions."""
    assert validate_filter(topic_filter) == topic_filter
    assert matches(topic_filter, topic) == by_regex(topic_filter, topic)


@given(topic=TOPIC, data=st.data())
def test_loosening_a_filter_keeps_its_matches(topic: str, data: st.DataObject) -> None:
    """A topic's own levels, any of them replaced by ``+`` and any tail by ``#``, match it, but for leading ``$``."""
    levels = [data.draw(st.sampled_from([level, "+"])) for level in topic.split("/")]
    kept = data.draw(st.integers(0, len(levels)))
    tail = data.draw(st.booleans())
    topic_filter = "/".join([*levels[:kept], "#"]) if tail else "/".join(levels)

    assert matches(topic_filter, topic) != (topic.startswith("$") and topic_filter.startswith(("+", "#")))
