"""What a topic and a filter may look like."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import TopicError
from spa_core.topics import matches, validate_filter, validate_topic

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = pytest.mark.parametrize("validate", [validate_topic, validate_filter])

# Any text at all, surrogates included, and texts that come close to being valid.
ANY_TEXT = (
    st.text(st.characters()) | st.text(st.sampled_from("a/+#$\x00\x7f\ud800\uffff\ufeff")) | st.just("$share/g/t")
)


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "a",
        "plants/7/flow",
        "/",
        "/a",
        "a/",
        "a//b",
        " ",
        "a b",
        "$SYS/broker/uptime",
        "$share",
        "$shared/g/t",
        "\ufeffa",
        "Ärger/日本/🌱",
        "dotted.kafka.name",
        "brace{s}",
        "a" * 65_535,
        "é" * 32_767,
        "/" * 199,
    ],
)
def test_sound_text_is_returned(validate: Callable[[str], str], text: str) -> None:
    """Empty levels, spaces, dots, braces, any alphabet and the limits themselves are fine in topics and filters."""
    assert validate(text) == text


@BOTH
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("a\x00b", "it contains the control character U+0000 at index 1"),
        ("a/b\n", "it contains the control character U+000A at index 3"),
        ("\x7f", "it contains the control character U+007F at index 0"),
        ("a\x9f", "it contains the control character U+009F at index 1"),
        ("a\ud800", "it contains the surrogate U+D800 at index 1"),
        ("\udfff", "it contains the surrogate U+DFFF at index 0"),
        ("\ufdd0", "it contains the non-character U+FDD0 at index 0"),
        ("a/\ufffe", "it contains the non-character U+FFFE at index 2"),
        ("\uffff", "it contains the non-character U+FFFF at index 0"),
        ("\U0010ffff", "it contains the non-character U+10FFFF at index 0"),
        ("a" * 65_536, "it is 65536 bytes long in UTF-8, and at most 65535 are allowed"),
        ("é" * 32_768, "it is 65536 bytes long in UTF-8, and at most 65535 are allowed"),
        ("/" * 200, "it has 201 levels, and at most 200 are allowed"),
    ],
)
def test_text_is_refused_with_its_reason(validate: Callable[[str], str], text: str, reason: str) -> None:
    """What no broker takes is refused for topics and filters alike, with the rule, the place and the limit."""
    with pytest.raises(TopicError) as caught:
        validate(text)

    assert caught.value.topic == text
    assert caught.value.reason == reason
    assert caught.value.message.endswith(f" is invalid: {reason}")


@BOTH
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("$share/g/t", "Use 't' with group='g'"),
        ("$share/g+/a/+", "Use 'a/+' with group='g+'"),
        ("$share/", "Ask for a group with group="),
        ("$share/g", "Ask for a group with group="),
        ("$share//t", "Ask for a group with group="),
    ],
)
def test_shared_subscriptions_are_refused(validate: Callable[[str], str], text: str, hint: str) -> None:
    """MQTT's own spelling of a group is refused, with the way to ask for one on every transport."""
    with pytest.raises(TopicError, match="'\\$share/' is kept for brokers") as caught:
        validate(text)

    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("topic", "wildcard", "index"), [("+", "+", 0), ("a/#", "#", 2), ("a+b", "+", 1), ("a/#/+", "#", 2)]
)
def test_topics_have_no_wildcards(topic: str, wildcard: str, index: int) -> None:
    """A wildcard in a topic is refused wherever it stands."""
    with pytest.raises(TopicError) as caught:
        validate_topic(topic)

    assert caught.value.reason == f"it contains the wildcard '{wildcard}' at index {index}, and only a filter may"
    assert caught.value.hint == "Publish to one exact topic"


@pytest.mark.parametrize("text", ["#", "+", "+/", "/+", "/#", "a/#", "+/#", "a/+/b", "+/+/+", "a//+/#", "$SYS/#"])
def test_filters_have_wildcards(text: str) -> None:
    """A wildcard that fills a level, ``#`` at the end only, is fine in a filter."""
    assert validate_filter(text) == text


@pytest.mark.parametrize(
    ("text", "reason", "meant"),
    [
        ("a#", "the wildcard '#' must fill a whole level, but level 1 is 'a#'", "a/#"),
        ("+a", "the wildcard '+' must fill a whole level, but level 1 is '+a'", "+/a"),
        ("a/b+c/#", "the wildcard '+' must fill a whole level, but level 2 is 'b+c'", "a/b/+/c/#"),
        ("x/a++", "the wildcard '+' must fill a whole level, but level 2 is 'a++'", "x/a/+/+"),
        ("##", "the wildcard '#' must fill a whole level, but level 1 is '##'", "+/#"),
        ("#a", "the wildcard '#' must fill a whole level, but level 1 is '#a'", "+/a"),
        ("a/#/b", "the wildcard '#' must be the last level, but it is level 2 of 3", "a/+/b"),
        ("#/", "the wildcard '#' must be the last level, but it is level 1 of 2", "+/"),
    ],
)
def test_misplaced_wildcards_are_refused_with_what_was_meant(text: str, reason: str, meant: str) -> None:
    """The error says which level is wrong and gives the filter that was probably meant."""
    with pytest.raises(TopicError) as caught:
        validate_filter(text)

    assert caught.value.reason == reason
    assert caught.value.hint == f"Did you mean {meant!r}?"
    assert validate_filter(meant) == meant


@pytest.mark.parametrize("text", ["/" * 199 + "a#", "$share#"])
def test_no_hint_leads_into_another_error(text: str) -> None:
    """Where the filter probably meant is no filter either, none is given."""
    with pytest.raises(TopicError) as caught:
        validate_filter(text)

    assert caught.value.hint is None


def test_long_texts_are_cut_in_messages_only() -> None:
    """A message stays readable for a text of any length, and the attribute keeps all of it."""
    text = "a" * 70_000

    with pytest.raises(TopicError) as caught:
        validate_topic(text)

    assert len(str(caught.value)) < 200
    assert caught.value.topic == text


@BOTH
def test_members_of_string_enums_become_plain_text(validate: Callable[[str], str]) -> None:
    """A subclass of ``str`` is taken for its text, whatever ``str()`` would make of it."""

    class Topics(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is not its text
        FLOW = "plants/enum/flow"

    valid = validate(Topics.FLOW)

    assert valid == "plants/enum/flow"
    assert type(valid) is str


@BOTH
def test_a_refused_text_is_refused_again(validate: Callable[[str], str]) -> None:
    """Only success is remembered."""
    for _ in range(2):
        with pytest.raises(TopicError):
            validate("a\x00")


@BOTH
@given(text=ANY_TEXT)
def test_any_text_is_returned_or_refused(validate: Callable[[str], str], text: str) -> None:
    """For any text there are two outcomes: the text itself, or a ``TopicError`` about it that can be printed."""
    try:
        outcome = validate(text)
    except TopicError as error:
        outcome = error.topic
        str(error).encode()

    assert outcome == text


@given(text=ANY_TEXT)
def test_what_is_valid_can_be_sent(text: str) -> None:
    """A valid topic has at most 65,535 bytes and 200 levels, and nothing that UTF-8 or a broker refuses."""
    try:
        topic = validate_topic(text)
    except TopicError:
        return

    assert 1 <= len(topic.encode()) <= 65_535
    assert topic.count("/") < 200
    assert not set(topic) & set("+#\x00\x7f\ud800\uffff")


@given(text=ANY_TEXT)
def test_every_topic_is_a_filter_that_matches_itself(text: str) -> None:
    """What can be published to can be subscribed to by the same text."""
    try:
        topic = validate_topic(text)
    except TopicError:
        return

    assert validate_filter(topic) == topic
    assert matches(topic, topic)


@given(text=st.text("a/+#", min_size=1, max_size=12))
def test_a_hint_is_a_filter_itself(text: str) -> None:
    """Whatever filter a hint proposes is valid."""
    try:
        meant = validate_filter(text)
    except TopicError as error:
        meant = str(error.hint).removeprefix("Did you mean '").removesuffix("'?")

    assert validate_filter(meant) == meant
