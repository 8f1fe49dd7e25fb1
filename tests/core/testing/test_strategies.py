"""What the strategies draw is valid, whatever they draw, and covers what matters."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from spa_core.codecs import JsonCodec, MsgpackCodec
from spa_core.errors import ParameterError, TopicError
from spa_core.testing.faults import FAULT_KINDS, Fault, FaultSchedule
from spa_core.testing.strategies import (
    fault_schedules,
    filters,
    headers,
    json_values,
    matching_topics,
    messages,
    topics,
)
from spa_core.topics import matches, validate_filter, validate_topic
from spa_core.transport import Capabilities, message_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from spa_core.message import SpaMessage

T = TypeVar("T")

OPTIONS = st.fixed_dictionaries(
    {"max_levels": st.sampled_from([1, 2, 5, 200]), "unicode": st.booleans(), "dollar": st.booleans()}
)
QUICKLY = settings(max_examples=2000, phases=[Phase.generate], database=None, deadline=None)
NOTHING = Capabilities()
LITTLE = Capabilities(max_payload=3)
EVERYTHING = Capabilities(headers=True, key=True, ttl=True, retain=True, timestamp=True, unicode_topics=True)


def comes_up(strategy: SearchStrategy[T], wanted: Callable[[T], bool]) -> bool:
    """Tell that what is wanted is drawn within a reasonable number of examples; if not, Hypothesis raises."""
    find(strategy, wanted, settings=QUICKLY)
    return True


@given(data=st.data(), options=OPTIONS)
def test_every_topic_is_valid(data: st.DataObject, options: dict[str, Any]) -> None:
    """With any options, a topic can be published to and keeps to them."""
    topic = data.draw(topics(**options))

    assert validate_topic(topic) == topic
    assert not any(unicodedata.category(character) == "Cn" for character in topic), "some of these are no characters"
    assert topic.count("/") < options["max_levels"]
    assert options["unicode"] or topic.isascii()
    assert options["dollar"] or not topic.startswith("$")


@given(data=st.data(), options=OPTIONS)
def test_every_filter_is_valid(data: st.DataObject, options: dict[str, Any]) -> None:
    """With any options, a filter can be subscribed to and keeps to them."""
    topic_filter = data.draw(filters(**options))

    assert validate_filter(topic_filter) == topic_filter
    assert topic_filter.count("/") < options["max_levels"]
    assert options["unicode"] or topic_filter.isascii()
    assert options["dollar"] or not topic_filter.startswith("$")


@given(data=st.data(), options=OPTIONS, unicode=st.booleans())
def test_matching_topics_match(data: st.DataObject, options: dict[str, Any], unicode: bool) -> None:  # noqa: FBT001
    """Whatever the filter, the topics drawn for it are valid and selected by it."""
    topic_filter = data.draw(filters(**options))
    topic = data.draw(matching_topics(topic_filter, unicode=unicode))

    assert validate_topic(topic) == topic
    assert matches(topic_filter, topic)


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#",
        "+",
        "/#",
        "+/#",
        "/+",
        "$share",
        "$SYS/#",
        "a" * 65_535,
        "a" * 65_531 + "/+/#",
        "a" * 65_533 + "/#",
        "+/" + "a" * 65_533,
        "/" * 199,
        "+/" * 199 + "#",
        "/" * 198 + "/#",
    ],
)
@settings(max_examples=20)  # long texts are slow, and leave little to draw
@given(data=st.data())
def test_matching_topics_keep_to_the_limits(data: st.DataObject, topic_filter: str) -> None:
    """Filters at the limits, in bytes or in levels, and those with next to no text, have matching topics too."""
    topic = data.draw(matching_topics(topic_filter))

    assert validate_topic(topic) == topic
    assert matches(topic_filter, topic)


@pytest.mark.parametrize(
    ("topic_filter", "form"),
    [
        ("a/#", "a"),
        ("a/#", "a/"),
        ("a/#", "a/[^/]+/[^/]+/[^/]+"),
        ("+/b", "/b"),
        ("+/b", "[^/]+/b"),
        ("a/+", "a/"),
        ("#", "/.*"),
        ("#", ".+/.+"),
    ],
)
def test_matching_topics_cover_what_a_filter_selects(topic_filter: str, form: str) -> None:
    """A parent level, empty levels and several levels are drawn for wildcards that select them."""
    assert comes_up(matching_topics(topic_filter), lambda topic: re.fullmatch(form, topic) is not None)


def test_topics_have_their_odd_forms() -> None:
    """Empty levels, other alphabets and, on demand, a leading ``$`` do come up."""
    assert comes_up(topics(), lambda topic: "//" in topic)
    assert comes_up(topics(), lambda topic: topic.startswith("/"))
    assert comes_up(topics(), lambda topic: not topic.isascii())
    assert comes_up(topics(dollar=True), lambda topic: topic.startswith("$SYS/"))


def test_what_brokers_keep_for_themselves_is_not_drawn() -> None:
    """The first level ``$share``, by which brokers share subscriptions, becomes another one."""
    assert comes_up(topics(dollar=True), lambda topic: topic.startswith("$shared/"))


@pytest.mark.parametrize("strategy", [topics, filters])
@pytest.mark.parametrize("max_levels", [0, 201])
def test_too_many_or_too_few_levels_are_refused(strategy: Callable[..., object], max_levels: int) -> None:
    """A topic has 1 to 200 levels."""
    with pytest.raises(ParameterError, match=f"max_levels is {max_levels}; allowed is: 1 to 200"):
        strategy(max_levels=max_levels)


def test_what_is_no_filter_has_no_matching_topics() -> None:
    """A filter that cannot be subscribed to is refused before anything is drawn."""
    with pytest.raises(TopicError):
        matching_topics("a/#/b")


@given(data=st.data(), unicode=st.booleans())
def test_headers_are_text_that_travels(data: st.DataObject, unicode: bool) -> None:  # noqa: FBT001
    """Names are not empty nor SPA's own; names and values are printable and can be encoded."""
    drawn = data.draw(headers(max_size=3, unicode=unicode))

    assert len(drawn) <= 3
    assert not any(name.lower().startswith("spa-") for name in drawn)
    for text in (*drawn, *drawn.values()):
        assert not any(ord(character) < 0x20 for character in text)
        assert text.encode().decode() == text
        assert unicode or text.isascii()


def test_names_of_our_own_become_others() -> None:
    """A header that SPA could take for its own is drawn under another name."""
    assert comes_up(headers(), lambda drawn: "xspa-error" in drawn)


@pytest.mark.parametrize("codec", [JsonCodec(), MsgpackCodec()], ids=["json", "msgpack"])
@given(value=json_values())
def test_values_survive_their_codecs(codec: JsonCodec | MsgpackCodec, value: object) -> None:
    """What is drawn comes back from JSON and from MessagePack as it was."""
    payload = codec.encode(value, topic="t", headers={}, is_key=False)

    assert codec.decode(payload, Any, topic="t", headers={}, is_key=False) == value


@pytest.mark.parametrize("capabilities", [None, NOTHING, LITTLE, EVERYTHING], ids=["any", "nothing", "little", "all"])
@given(data=st.data())
def test_messages_can_be_carried(data: st.DataObject, capabilities: Capabilities | None) -> None:
    """A message has valid topics, a payload of its content type, and nothing that the transport does not declare."""
    message = data.draw(messages(capabilities=capabilities))
    refuse = message_check(capabilities or EVERYTHING, transport="test")
    if refuse is not None:
        refuse(message)

    assert validate_topic(message.topic) == message.topic
    assert message.response_topic is None or validate_topic(message.response_topic)
    assert (message.retain, message.quality_of_service) == (False, None)
    decode(message)


def decode(message: SpaMessage) -> object:
    """Read a payload as its content type says."""
    if message.content_type == "application/json":
        return msgspec.json.decode(message.payload)
    if message.content_type == "application/msgpack":
        return msgspec.msgpack.decode(message.payload)
    return message.payload.decode() if message.content_type == "text/plain" else message.payload


@pytest.mark.parametrize(
    "field",
    ["key", "headers", "ttl", "timestamp", "response_topic", "correlation_id", "client_id", "client_name", "payload"],
)
def test_messages_use_what_can_be_carried(field: str) -> None:
    """Every field of a message comes up with a value."""
    assert comes_up(messages(), lambda message: bool(getattr(message, field)))


@pytest.mark.parametrize("subtype", ["octet-stream", "plain", "json", "msgpack"])
def test_messages_have_all_kinds_of_payloads(subtype: str) -> None:
    """Every content type that core can read comes up."""
    assert comes_up(messages(), lambda message: str(message.content_type).endswith(subtype))


@given(pair=st.lists(messages(), min_size=2, max_size=5))
def test_messages_have_ids_of_their_own(pair: list[SpaMessage]) -> None:
    """No two messages drawn have one id."""
    assert len({message.message_id for message in pair}) == len(pair)


@given(message=messages(topic=st.just("a/b"), retain=st.booleans(), payload=st.just(b"1")))
def test_fields_can_be_given(message: SpaMessage) -> None:
    """A field drawn from elsewhere is used as it is; a content type is then not made up for the payload."""
    assert message.topic == "a/b"
    assert message.payload == b"1"
    assert message.content_type is None


@given(message=messages(content_type=st.just("image/png"), payload=st.binary(min_size=1)))
def test_payload_and_content_type_can_be_given_together(message: SpaMessage) -> None:
    """Both of them are taken from the caller."""
    assert message.content_type == "image/png"
    assert message.payload


def test_unknown_fields_are_refused() -> None:
    """A misspelt field is refused with the nearest one."""
    with pytest.raises(ParameterError, match="a message has no field 'topics'") as caught:
        messages(topics=st.just("a"))

    assert caught.value.hint == "Did you mean 'topic'?"


@given(schedule=fault_schedules(messages=20, max_faults=4, max_count=2, max_seconds=0.5))
def test_schedules_keep_to_their_bounds(schedule: FaultSchedule) -> None:
    """Faults strike messages that there are, are no larger than allowed, and come from no seed."""
    assert len(schedule.faults) <= 4
    assert all(fault.position < 20 and fault.count <= 2 and fault.seconds <= 0.5 for fault in schedule.faults)
    assert schedule.seed is None


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_schedules_shrink_to_the_fault_that_matters(kind: str) -> None:
    """Every kind comes up, and what is left of a schedule is one fault of the first message."""
    schedule = find(fault_schedules(), lambda drawn: any(fault.kind == kind for fault in drawn.faults))

    assert schedule.faults == (Fault(kind=kind, position=0),)  # type: ignore[arg-type]


@given(data=st.data())
def test_schedules_hold_only_what_is_asked_for(data: st.DataObject) -> None:
    """Kinds that are not asked for do not happen, and nothing happens where there are no messages."""
    schedule = data.draw(fault_schedules(kinds=["drop", "delay"]))

    assert {fault.kind for fault in schedule.faults} <= {"drop", "delay"}
    assert data.draw(fault_schedules(messages=0)) == FaultSchedule()
