"""Capabilities: what is not declared is refused before any I/O, with a sentence that says how to go on."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import CapabilityError, MessageTooLargeError
from spa_core.message import SpaMessage
from spa_core.transport import Capabilities, SubscriptionSpec, check_subscription, message_check

NOTHING = Capabilities()
EVERYTHING = Capabilities(
    headers=True, key=True, ttl=True, retain=True, unicode_topics=True, groups=True, fanout=True, wildcards="mqtt"
)
CARRIED: dict[str, list[Any]] = {
    "headers": [{"a": "1"}, {"": ""}],
    "key": [b"north", b""],
    "ttl": [2.5, 0.0],
    "retain": [True],
}
TOPICS = st.lists(st.sampled_from(["a", "a/b", "a/+", "#", "$SYS/#"]), min_size=1, max_size=3).map(tuple)
SPECS = st.builds(SubscriptionSpec, topics=TOPICS, group=st.none() | st.just("detector"), reply=st.booleans())
WILDCARDS = st.sampled_from(["none", "mqtt"])
DECLARED = st.builds(Capabilities, groups=st.booleans(), fanout=st.booleans(), wildcards=WILDCARDS)


def needs(spec: SubscriptionSpec) -> set[str]:
    """Return the capabilities that a subscription needs; core's own reply subscription needs none of its filter's."""
    needed = {"groups"} if spec.group is not None else set() if spec.reply else {"fanout"}
    if spec.reply:
        needed.add("reply")
    if not spec.reply and any(wildcard in topic for topic in spec.topics for wildcard in "+#"):
        needed.add("wildcards")
    return needed


def declares(capabilities: Capabilities) -> set[str]:
    """Return what is declared of that."""
    of_interest = ("groups", "fanout", "reply", "wildcards")
    return {name for name in of_interest if getattr(capabilities, name) not in {False, "none"}}


def test_nothing_is_declared_by_default() -> None:
    """A capability has to be claimed: what an author does not think of is refused, not half supported."""
    assert {getattr(NOTHING, field) for field in Capabilities.__struct_fields__} == {False, None, "none"}


def test_every_capability_is_explained() -> None:
    """The docstring says of each capability what declaring it promises, in the order of the fields."""
    explained = re.findall(r"^    (\w+): ", inspect.getdoc(Capabilities) or "", re.MULTILINE)

    assert tuple(explained) == Capabilities.__struct_fields__


def test_capabilities_are_values() -> None:
    """They are known before connecting and stay what they were; a change is a new value."""
    with pytest.raises(AttributeError):
        NOTHING.headers = True  # type: ignore[misc]

    assert msgspec.structs.replace(NOTHING, headers=True) == Capabilities(headers=True)
    assert hash(Capabilities()) == hash(NOTHING)


@given(DECLARED, SPECS)
def test_a_subscription_is_refused_for_what_is_missing(declared: Capabilities, spec: SubscriptionSpec) -> None:
    """Exactly the subscriptions that need an undeclared capability are refused, and the error names one of those."""
    missing = needs(spec) - declares(declared)
    if not missing:
        check_subscription(declared, spec, transport="mqtt://north")
        return

    with pytest.raises(CapabilityError) as caught:
        check_subscription(declared, spec, transport="mqtt://north")
    assert caught.value.capability in missing


REFUSED = {
    SubscriptionSpec(topics=("a", "b"), group="detector"): (
        "t does not declare 'groups', which is needed for group 'detector' on a, b. "
        "Leave group= out: every instance then gets all"
    ),
    SubscriptionSpec(topics=("a", "b")): (
        "t does not declare 'fanout', which is needed for every message of a, b for each instance. "
        "Name a group= to share the messages"
    ),
}


@pytest.mark.parametrize(("spec", "text"), list(REFUSED.items()), ids=["groups", "fanout"])
def test_a_refused_subscription_says_the_way_out(spec: SubscriptionSpec, text: str) -> None:
    """The error names the transport, what is missing, what asked for it, and what to write instead."""
    with pytest.raises(CapabilityError) as caught:
        check_subscription(NOTHING, spec, transport="t")

    assert str(caught.value) == text
    assert caught.value.transport == "t"


def test_a_refused_wildcard_is_named() -> None:
    """Of several topics the error shows the one with the wildcard."""
    spec = SubscriptionSpec(topics=("a", "b/+", "#"))

    with pytest.raises(CapabilityError, match=r"'wildcards', which is needed for the pattern 'b/\+'\. List the topics"):
        check_subscription(Capabilities(fanout=True), spec, transport="t")


def test_a_transport_that_carries_all_checks_nothing() -> None:
    """Who can do everything pays for no check."""
    assert message_check(EVERYTHING, transport="t") is None


@pytest.mark.parametrize("missing", CARRIED)
def test_a_field_that_would_be_lost_is_refused(missing: str) -> None:
    """A message with an undeclared field is refused by name, an empty key and a ttl of zero too; without it passes."""
    check = message_check(msgspec.structs.replace(EVERYTHING, **{missing: False}), transport="t")

    assert check is not None
    for value in CARRIED[missing]:
        with pytest.raises(CapabilityError) as caught:
            check(SpaMessage(topic="a/b", **{missing: value}))
        assert caught.value.capability == missing
        assert str(caught.value) == (
            f"t does not declare {missing!r}, which is needed for a message with {missing} on 'a/b'. "
            f"Publish it without {missing}="
        )

    others = {name: values[0] for name, values in CARRIED.items() if name != missing}
    check(SpaMessage(topic="a/b", **others))
    check(SpaMessage(topic="a/b", headers={}))


@given(limit=st.integers(0, 50), size=st.integers(0, 60))
def test_a_payload_beyond_the_limit_is_refused(limit: int, size: int) -> None:
    """A payload as large as the limit passes; one byte more is refused with both sizes, before anything is sent."""
    check = message_check(msgspec.structs.replace(EVERYTHING, max_payload=limit), transport="t")
    message = SpaMessage(topic="a/b", payload=b"x" * size)

    assert check is not None
    if size <= limit:
        check(message)
        return
    with pytest.raises(MessageTooLargeError) as caught:
        check(message)
    assert (caught.value.topic, caught.value.size, caught.value.limit) == ("a/b", size, limit)
    assert str(caught.value) == f"message on 'a/b' has {size} bytes, t takes {limit}"


@given(st.text(min_size=1))
def test_topics_beyond_ascii_are_refused_where_undeclared(topic: str) -> None:
    """Only ASCII topics pass where nothing else is declared."""
    check = message_check(msgspec.structs.replace(EVERYTHING, unicode_topics=False), transport="t")
    message = SpaMessage(topic=topic)

    assert check is not None
    if topic.isascii():
        check(message)
        return
    with pytest.raises(CapabilityError, match="'unicode_topics'") as caught:
        check(message)
    assert caught.value.hint == "Use ASCII topics"
