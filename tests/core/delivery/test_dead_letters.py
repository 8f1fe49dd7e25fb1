"""Dead letters: what a message that failed for good looks like, as values."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spa_core import RejectError, SpaMessage
from spa_core._delivery.dead_letters import LONGEST_ERROR, DeadLetters, check_pattern
from spa_core.errors import ConfigurationError
from spa_core.topics import validate_topic
from spa_core.transport import Capabilities

PATTERN = "dead-letters/{group}/{topic}"
MESSAGE = SpaMessage(
    topic="plants/north/flow",
    payload=bytes(range(256)),
    content_type="application/octet-stream",
    key="north",
    response_topic="answers",
    correlation_id="c-1",
    headers={"trace": "t-1"},
    retain=True,
    ttl=5.0,
)


ABLE = Capabilities(headers=True, unicode_topics=True)


def letters(
    pattern: str = PATTERN, *, able: Capabilities = ABLE, name: str = "detect", group: str = "g"
) -> DeadLetters:
    """Return the dead letters of an application."""
    return DeadLetters(pattern, application=name, group=group, capabilities=able)


def buried(message: SpaMessage = MESSAGE, error: BaseException | None = None) -> SpaMessage:
    """Return the dead letter of a message."""
    return letters().letter(message, error or ValueError("too wet"), attempts=3)


def test_what_was_sent_is_unchanged() -> None:
    """Payload, content type, key, identity and headers are the original's, so that it can be published again."""
    letter = buried()

    kept = ("payload", "content_type", "key", "message_id", "timestamp", "correlation_id", "response_topic")
    assert [getattr(letter, name) for name in kept] == [getattr(MESSAGE, name) for name in kept]
    assert letter.headers["trace"] == "t-1"


def test_the_reason_travels_in_headers() -> None:
    """Whoever finds a dead letter sees where it comes from, who gave up on it, why, and after how many attempts."""
    letter = buried()

    assert letter.topic == "dead-letters/g/plants/north/flow"
    assert {name: value for name, value in letter.headers.items() if name.startswith("spa-")} == {
        "spa-dead-letter-topic": "plants/north/flow",
        "spa-dead-letter-application": "detect",
        "spa-dead-letter-attempts": "3",
        "spa-dead-letter-error-type": "ValueError",
        "spa-dead-letter-error": "too wet",
    }


def test_a_dead_letter_neither_expires_nor_is_retained() -> None:
    """It waits for whoever looks after it, and does not replace the retained message of a topic."""
    letter = buried()

    assert letter.ttl is None
    assert letter.retain is False


@given(st.text())
def test_a_reason_fits_into_a_header(text: str) -> None:
    """Whatever an error says, the header is bounded and holds nothing that a broker refuses, such as a line end."""
    reason = buried(error=RejectError(f"{text}\n{text}\udcff" * 100)).headers["spa-dead-letter-error"]

    assert len(reason) <= LONGEST_ERROR
    assert reason.isprintable()


@given(group=st.text(min_size=1), name=st.text(min_size=1), unicode_topics=st.booleans())
@example(group="Sensor #1", name="Sensor #1", unicode_topics=True)
@example(group="größe", name="größe", unicode_topics=False)
def test_every_name_makes_a_valid_topic(*, group: str, name: str, unicode_topics: bool) -> None:
    """Groups and names may hold anything; a letter to an invalid topic would be refused for ever."""
    able = Capabilities(headers=True, unicode_topics=unicode_topics)
    letter = letters(able=able, group=group, name=name).letter(MESSAGE, ValueError(), attempts=1)

    assert validate_topic(letter.topic)
    assert unicode_topics or letter.topic.isascii()
    assert all(value.isprintable() for value in letter.headers.values())


@pytest.mark.parametrize("group", ["detector", "größe", "a/b", "v1.2_x-y"])
def test_a_group_that_fits_stays_as_it_is(group: str) -> None:
    """Only what cannot stand in a topic is replaced."""
    assert (
        letters(group=group).letter(MESSAGE, ValueError(), attempts=1).topic == f"dead-letters/{group}/{MESSAGE.topic}"
    )


def test_without_headers_a_letter_has_none() -> None:
    """Where no headers travel, a letter that had any would be refused for ever."""
    bare = letters(able=Capabilities())

    assert not bare.letter(MESSAGE.replace(headers={}), ValueError(), attempts=1).headers


# -- circles -----------------------------------------------------------------------------------------------------------

NAME = st.text(min_size=1, max_size=8) | st.sampled_from(["a", "a; b", "b", "; "])
ANY_PATTERN = st.sampled_from([PATTERN, "dlq", "{topic}/failed", "{group}", "a/{topic}/b/{group}", "plants/north/flow"])


@given(names=st.lists(NAME, min_size=1, max_size=4), pattern=ANY_PATTERN, data=st.data())
def test_dead_letters_never_go_in_circles(names: list[str], pattern: str, data: st.DataObject) -> None:
    """However many applications fail on each other's dead letters, and whatever they are called, it ends."""
    boxes = [letters(pattern, name=name) for name in names]
    message = MESSAGE

    for _ in range(len(boxes) + 1):
        willing = [box for box in boxes if not box.hold(message)]
        if not willing:
            return
        message = data.draw(st.sampled_from(willing)).letter(message, ValueError(), attempts=1)

    assert not [box for box in boxes if not box.hold(message)]


@given(pattern=ANY_PATTERN.filter(lambda pattern: pattern != "plants/north/flow"))
def test_a_letter_published_again_is_a_message_like_any_other(pattern: str) -> None:
    """Sent back to where it came from, headers and all, it may be buried again; anywhere else it may not."""
    box = letters(pattern)
    letter = box.letter(MESSAGE, ValueError(), attempts=1)

    assert box.hold(letter)
    assert not box.hold(letter.replace(topic=MESSAGE.topic))
    assert not letters(name="another").hold(letter)


def test_a_message_of_its_own_is_not_held() -> None:
    """A message that nobody has given up on may be buried."""
    assert not letters().hold(MESSAGE)
    assert not letters(able=Capabilities()).hold(MESSAGE)


def test_without_headers_a_letter_is_known_by_its_topic() -> None:
    """Its own, and the one another application made of it; that of another message is not."""
    mine, other = letters(able=Capabilities(), group="mine"), letters(able=Capabilities(), group="other")
    letter = mine.letter(MESSAGE, ValueError(), attempts=1)

    assert mine.hold(letter)
    assert mine.hold(other.letter(letter, ValueError(), attempts=1))
    assert not other.hold(letter)
    assert not letters("dlq", able=Capabilities()).hold(MESSAGE)
    assert letters("dlq", able=Capabilities()).hold(MESSAGE.replace(topic="dlq"))


# -- patterns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [PATTERN, "dlq", "{topic}/failed", "{group}", "a/{topic}/b/{group}"])
def test_a_pattern_that_names_topics_is_accepted(pattern: str) -> None:
    """Both placeholders are optional and may stand anywhere."""
    check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "{name}",
        "{}",
        "{0}",
        "{topic",
        "topic}",
        "dead/#",
        "dead/+/{topic}",
        "{topic.size}",
        "{topic[a]}",
        "{topic!x}",
        "{topic!r}",
        "{topic:>9}",
        "{topic}",
    ],
)
def test_a_pattern_that_names_none_is_refused(pattern: str) -> None:
    """A pattern is looked at before anything runs: at the first failure it would be too late."""
    with pytest.raises(ConfigurationError, match="dead-letter topic") as caught:
        check_pattern(pattern)

    assert caught.value.hint is not None
    assert "{topic}" in caught.value.hint


@given(st.text())
def test_no_pattern_surprises(pattern: str) -> None:
    """Whatever text is given as a pattern, it is accepted or refused as a configuration error."""
    try:
        check_pattern(pattern)
    except ConfigurationError:
        return

    assert pattern.format(topic="t", group="g")
