"""SPA's topics and Kafka's names stand for each other, or are refused; nothing is mangled without a word."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from spa_core.errors import TopicError
from spa_core.testing import strategies
from spa_core.topics import matches
from spa_kafka.replies import (
    REPLY_PREFIX,
    is_own_topic,
    is_reply_topic,
    own_topic,
    reply_address,
    shared_topic,
)
from spa_kafka.topics import DEAD_LETTER_TOPIC, TopicSelection, kafka_name, levels_of, retry_delay, retry_name

LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")
CHARACTERS = st.sampled_from("abXY09_-")
LEVELS = st.text(CHARACTERS, max_size=8)
NAMES = st.text(st.sampled_from("abXY09_-."), min_size=1, max_size=30).filter(lambda name: name not in (".", ".."))
TOPICS = st.lists(LEVELS, min_size=2, max_size=5).map("/".join).filter(lambda topic: topic not in ("/", "//"))
GROUPS = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("plants", "plants"),
        ("plants/7/flow", "plants.7.flow"),
        ("orders.eu.created", "orders.eu.created"),
        ("__consumer_offsets", "__consumer_offsets"),
        ("a//b", "a..b"),
        ("/a/", ".a."),
        ("a" * 249, "a" * 249),
        ("orders.eu/my.group/dlq", "orders.eu.my.group.dlq"),
    ],
)
def test_names(topic: str, name: str) -> None:
    """Slashes become dots, empty levels included; what has no slash is the name itself."""
    assert kafka_name(topic) == name


@pytest.mark.parametrize(
    ("topic", "reason", "hint"),
    [
        ("a.b/c", "level 'a.b' holds a dot", "'a/b/c', or 'a.b.c'"),
        ("plants/größe", "'ö' at index 9", "ASCII"),
        ("$SYS/broker", "'\\$' at index 0", "ASCII"),
        ("a b", "' ' at index 1", "ASCII"),
        (".", "'.'", None),
        ("/", "'.'", None),
        ("//", "'..'", None),
        ("a" * 250, "250 characters", None),
        ("a/" * 125 + "a", "251 characters", None),
    ],
)
def test_no_names(topic: str, reason: str, hint: str | None) -> None:
    """What Kafka cannot store, or would not give back, is refused with its reason and the way out."""
    with pytest.raises(TopicError, match=reason) as caught:
        kafka_name(topic)

    assert caught.value.topic == topic
    assert (caught.value.hint is None) == (hint is None)
    assert (hint or "") in (caught.value.hint or "")


@given(strategies.topics(dollar=True) | NAMES | TOPICS)
def test_a_name_is_legal_and_comes_back(topic: str) -> None:
    """Any topic is refused, or has a name that Kafka can store and that a subscription to it reads as that topic."""
    try:
        name = kafka_name(topic)
    except TopicError:
        return

    assert LEGAL.fullmatch(name)
    assert name not in (".", "..")
    assert TopicSelection([topic]).topic_of(name) == topic
    assert TopicSelection([topic]).names == (name,)


@given(TOPICS, TOPICS)
def test_two_topics_with_levels_never_share_a_name(one: str, other: str) -> None:
    """Topics with levels have one name each."""
    assert (kafka_name(one) == kafka_name(other)) == (one == other)


@given(TOPICS, strategies.filters(unicode=False))
@example("a/b", "a/b/#")
@example("/a", "+/a")
def test_a_wildcard_selects_what_it_matches(topic: str, topic_filter: str) -> None:
    """Among the topics of applications a wildcard selects those that it matches on any transport, spelled as there."""
    assume("+" in topic_filter or "#" in topic_filter)
    try:
        selection = TopicSelection([topic_filter])
    except TopicError:
        return

    name = kafka_name(topic)
    if not name.startswith("__"):
        assert selection.selects(name) == matches(topic_filter, topic)
    assert selection.topic_of(name) == topic


@given(NAMES)
def test_wildcards_read_dots_as_levels(name: str) -> None:
    """Topics of others, which have dots in their names, are handed out with levels under a wildcard."""
    selection = TopicSelection(["#"])

    assert selection.topic_of(name) == levels_of(name)
    assert matches("#", selection.topic_of(name))


def test_an_exact_filter_spells_the_topic() -> None:
    """A topic that an exact filter names is handed out as that spells it, though a wildcard selects it too."""
    selection = TopicSelection(["orders/#", "orders.eu", "orders/us"])

    assert selection.names == ("orders.eu", "orders.us")
    assert selection.wildcards == ("orders/#",)
    assert [selection.topic_of(name) for name in ("orders.eu", "orders.us", "orders.fr")] == [
        "orders.eu",
        "orders/us",
        "orders/fr",
    ]


def test_one_topic_in_two_spellings() -> None:
    """Two filters for one of Kafka's topics are one topic, spelled as the first of them."""
    selection = TopicSelection(["a/b", "a.b"])

    assert (selection.names, selection.topic_of("a.b")) == (("a.b",), "a/b")


@pytest.mark.parametrize(
    ("topic_filter", "hint"), [("a.b/+", "'a/b/+'"), ("größe/+", None), ("$share/+", None), ("a b/#", None)]
)
def test_no_filters(topic_filter: str, hint: str | None) -> None:
    """A wildcard that could select nothing, or means another, is refused."""
    with pytest.raises(TopicError) as caught:
        TopicSelection([topic_filter])

    assert caught.value.topic == topic_filter
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("__consumer_offsets", "__consumer_offsets/#"),
        ("spa.reply.6f1c", "spa/reply/+"),
        ("plants.flow.g.dlq", "plants/+/+/dlq"),
        ("plants.flow.g.retry.5m", "plants/flow/+/retry/+"),
    ],
)
def test_wildcards_leave_out_what_is_not_published_by_applications(name: str, asked: str) -> None:
    """Kafka's own topics, replies, dead letters and waiting messages are selected only by filters that say so."""
    chosen = [
        each for each in ("#", "+/#", "+", "plants/#", "spa/#", "+/+/+", asked) if TopicSelection([each]).selects(name)
    ]

    assert chosen == [asked]
    assert TopicSelection([name]).selects(name)


@given(NAMES.map(lambda name: name[:20]), GROUPS)
def test_dead_letters_of_any_topic_have_a_name(topic: str, group: str) -> None:
    """The dead letters of any topic and group have a topic, beside it, that no wildcard of the application selects."""
    safe_group = re.sub(r"[^\w./-]", "_", group, flags=re.ASCII)
    name = kafka_name(DEAD_LETTER_TOPIC.format(topic=topic, group=safe_group))

    assert name == f"{topic}.{safe_group.replace('/', '.')}.dlq"
    assert not TopicSelection(["#"]).selects(name)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1ms"),
        (0.0001, "1ms"),
        (0.25, "250ms"),
        (4.35, "4350ms"),
        (5, "5s"),
        (90, "90s"),
        (300, "5m"),
        (86_400, "1d"),
    ],
)
def test_delays_are_written_shortly(seconds: float, written: str) -> None:
    """A delay is written in the largest unit that holds it whole, and is never shortened."""
    name = retry_name("plants.flow", "g", seconds)

    assert name == f"plants.flow.g.retry.{written}"
    assert retry_delay(name) == max(0.001, round(seconds, 3))


@given(NAMES, st.text(min_size=1, max_size=20), st.floats(0, 1e6))
def test_a_topic_to_wait_in_says_how_long(name: str, group: str, seconds: float) -> None:
    """Any topic, group and delay gives a name that Kafka can store, from which the delay can be read."""
    made = retry_name(name, group, seconds)
    delay = retry_delay(made)

    assert LEGAL.fullmatch(made)
    assert delay is not None
    assert 0 <= delay - seconds <= 0.0011
    assert not TopicSelection(["#"]).selects(made)


@given(GROUPS, GROUPS)
@example("a b", "a_b")
@example("ä", "ö")
def test_groups_never_wait_together(one: str, other: str) -> None:
    """Two groups have two topics to wait in, also where Kafka cannot store their names."""
    assume(one != other)

    assert retry_name("t", one, 5) != retry_name("t", other, 5)


def test_a_name_too_long_to_wait() -> None:
    """A name that gets too long is refused."""
    with pytest.raises(TopicError, match="249"):
        retry_name("t" * 240, "group", 5)


@pytest.mark.parametrize("name", ["plants.flow", "plants.retry.soon", "retry.5m", "a.retry.5w", "a.retry.5m.b"])
def test_other_topics_wait_for_nothing(name: str) -> None:
    """Topics that are not made for waiting have no delay."""
    assert retry_delay(name) is None


def test_replies_share_a_topic() -> None:
    """All addresses of one socket share a topic, and the filter for them names it; each has one of its own, too."""
    addresses = [f"{REPLY_PREFIX}/6f1c/{last}" for last in ("+", "1", "2", "nobody")]

    assert {shared_topic(address) for address in addresses} == {"spa.reply.6f1c"}
    assert own_topic(addresses[1]) == "spa.reply.6f1c.1"
    assert is_own_topic("spa.reply.6f1c.1", "spa.reply.6f1c")
    assert not is_own_topic("spa.reply.6f1c.1", "spa.reply.ffff")
    assert not is_own_topic("spa.reply.6f1c", "spa.reply.6f1c")
    assert is_reply_topic("spa.reply.6f1c")
    assert is_reply_topic("5c67c053_request_response")  # spa-dat's
    assert not is_reply_topic("spa.replies")


@pytest.mark.parametrize("topic", ["plants/flow", "spa/reply/6f1c", "spa/reply/6f1c/1/2", "x/spa/reply/6f1c/1", "a.b"])
def test_other_topics_are_no_addresses(topic: str) -> None:
    """A topic that is no address of a reply has no topic of replies."""
    assert (shared_topic(topic), own_topic(topic)) == (None, None)


@pytest.mark.parametrize(
    ("name", "headers", "address"),
    [
        ("spa.reply.6f1c", {"spa-topic": b"spa/reply/6f1c/17"}, "spa/reply/6f1c/17"),
        ("spa.reply.6f1c", {"spa-correlation-id": b"17"}, "spa/reply/6f1c/17"),
        ("spa.reply.6f1c", {"spa-topic": b"spa/reply/6f1c/17", "spa-correlation-id": b"own"}, "spa/reply/6f1c/17"),
        ("spa.reply.6f1c.17", {}, "spa/reply/6f1c/17"),
        ("spa.reply.6f1c", {"spa-topic": b"spa/reply/ffff/17", "spa-correlation-id": b"3"}, "spa/reply/6f1c/3"),
        ("spa.reply.6f1c", {"spa-topic": b"\xff", "spa-correlation-id": None}, "spa/reply/6f1c/"),
        ("spa.reply.6f1c", {}, "spa/reply/6f1c/"),
    ],
)
def test_replies_find_their_address(name: str, headers: dict[str, bytes | None], address: str) -> None:
    """A reply's address is in its header, or is told by the correlation id, or by a topic of its own; else nobody's."""
    assert reply_address(name, headers) == address
