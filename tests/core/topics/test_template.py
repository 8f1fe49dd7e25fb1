"""Templates: one value for an exact topic, a filter, or a topic with named levels."""

from __future__ import annotations

import copy
import dataclasses
import enum
import pickle
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spa_core.errors import TopicError
from spa_core.topics import TopicTemplate, matches, validate_filter, validate_topic

LEVEL = st.sampled_from(["", "a", "b", "$a", ".", "(a)"])
WILD = LEVEL | st.sampled_from(["+", "{x}", "{y}", "{self}", "{größe}"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
UNCHECKED_TOPIC = st.lists(LEVEL | st.sampled_from(["a\n", "+", "#"]), max_size=4).map("/".join)


@st.composite
def templates(draw: st.DrawFn) -> TopicTemplate:
    """Draw a valid template of a few levels, with and without names and wildcards."""
    levels = draw(st.lists(WILD, min_size=1, max_size=4))
    names = [level for level in levels if level.startswith("{")]
    assume(len(names) == len(set(names)))
    text = "/".join([*levels, *draw(st.sampled_from([[], ["#"]]))])
    assume(text)
    return TopicTemplate(text)


@pytest.mark.parametrize(
    ("text", "names", "topic_filter", "is_pattern"),
    [
        ("plants/7/flow", (), "plants/7/flow", False),
        ("plants/+/flow", (), "plants/+/flow", True),
        ("#", (), "#", True),
        ("plants/{plant}/flow", ("plant",), "plants/+/flow", True),
        ("{site}/{plant}/#", ("site", "plant"), "+/+/#", True),
        ("{match}", ("match",), "+", True),
        ("dotted.kafka.name", (), "dotted.kafka.name", False),
    ],
)
def test_attributes(text: str, names: tuple[str, ...], topic_filter: str, is_pattern: bool) -> None:  # noqa: FBT001 - a table
    """A template says its text, its names in order, the broker's filter and whether it is a pattern."""
    template = TopicTemplate(text)

    assert (template.text, template.names, template.filter, template.is_pattern) == (
        text,
        names,
        topic_filter,
        is_pattern,
    )


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        (
            "plant-{x}",
            "a parameter must be a whole level, but level 1 is 'plant-{x}'",
            "Make the whole level '{x}' and take its text apart in the handler",
        ),
        (
            "a/{x}{y}",
            "a parameter must be a whole level, but level 2 is '{x}{y}'",
            "Make the whole level '{x}' and take its text apart in the handler",
        ),
        (
            "{x}{x}",
            "a parameter must be a whole level, but level 1 is '{x}{x}'",
            "Make the whole level '{x}' and take its text apart in the handler",
        ),
        ("a/{x", "braces are kept for parameters such as '{name}', but level 2 is '{x'", None),
        ("x}", "braces are kept for parameters such as '{name}', but level 1 is 'x}'", None),
        ("{{x}}", "braces are kept for parameters such as '{name}', but level 1 is '{{x}}'", None),
        ("{a/b}", "braces are kept for parameters such as '{name}', but level 1 is '{a'", None),
        ("{x}/{x}", "the parameter 'x' occurs more than once", "Give each level a name of its own"),
        (
            "{µ}/{\u03bc}",
            "the parameter '\u03bc' occurs more than once",
            "Give each level a name of its own",
        ),
        (
            "{}",
            "a parameter's name must be a Python identifier and no keyword, but it is ''",
            "Use '+' for a level without a name",
        ),
        (
            "{7}",
            "a parameter's name must be a Python identifier and no keyword, but it is '7'",
            "Use '+' for a level without a name",
        ),
        (
            "{plant-id}",
            "a parameter's name must be a Python identifier and no keyword, but it is 'plant-id'",
            "Did you mean '{plant_id}'?",
        ),
        (
            "{class}",
            "a parameter's name must be a Python identifier and no keyword, but it is 'class'",
            "Did you mean '{class_}'?",
        ),
        (
            "{x}/#/a",
            "the wildcard '#' must be the last level, but it is level 2 of 3",
            "Did you mean '{x}/+/a'?",
        ),
        ("", "it is empty", None),
        ("{x}\n", "it contains the control character U+000A at index 3", None),
        (
            "$share/g/{x}",
            "'$share/' is kept for brokers, which share a subscription by it",
            "Use '{x}' with group='g'",
        ),
    ],
)
def test_text_is_refused_with_its_reason(text: str, reason: str, hint: str | None) -> None:
    """What is no template is refused when it is made, with the rule and the way out."""
    with pytest.raises(TopicError) as caught:
        TopicTemplate(text)

    assert caught.value.topic == text
    assert caught.value.reason == reason
    assert caught.value.hint == hint


def test_an_error_calls_the_text_what_it_is() -> None:
    """An error speaks of a template where there are braces and of a filter where there are none."""
    with pytest.raises(TopicError, match=r"^Template '\{a\}#' is invalid: "):
        TopicTemplate("{a}#")
    with pytest.raises(TopicError, match=r"^Template 'a\}' is invalid: "):
        TopicTemplate("a}")
    with pytest.raises(TopicError, match=r"^Filter 'a#' is invalid: "):
        TopicTemplate("a#")


def test_names_are_normalised_like_identifiers() -> None:
    """A name meets the keyword argument of the same letters, since Python normalises identifiers in source."""
    template = TopicTemplate("size/{µ}")

    assert template.names == ("\u03bc",)
    assert template == TopicTemplate("size/{\u03bc}")
    assert template.expand(µ="7") == "size/7"


@pytest.mark.parametrize(
    ("text", "topic", "values"),
    [
        ("plants/{plant}/flow", "plants/7/flow", {"plant": "7"}),
        ("plants/{plant}/flow", "plants//flow", {"plant": ""}),
        ("plants/{plant}/flow", "plants/$7/flow", {"plant": "$7"}),
        ("plants/{plant}/flow", "plants/7/8/flow", None),
        ("plants/{plant}/flow", "plants/7/flows", None),
        ("{site}/{plant}", "rome/7", {"site": "rome", "plant": "7"}),
        ("{site}/#", "rome", {"site": "rome"}),
        ("{site}/#", "rome/7/flow", {"site": "rome"}),
        ("{site}/#", "$SYS/broker", None),
        ("{site}", "$SYS", None),
        ("#", "$SYS", None),
        ("a/+/{x}", "a/b/c", {"x": "c"}),
        ("a", "a", {}),
        ("a", "b", None),
        ("a.b", "axb", None),
    ],
)
def test_match(text: str, topic: str, values: dict[str, str] | None) -> None:
    """A match gives the text of each named level; a leading name leaves ``$`` topics alone."""
    assert TopicTemplate(text).match(topic) == values


@given(template=templates(), topic=TOPIC | UNCHECKED_TOPIC)
def test_a_template_matches_what_its_filter_matches(template: TopicTemplate, topic: str) -> None:
    """Names change what a match tells, never whether there is one."""
    values = template.match(topic)

    assert validate_filter(template.filter) == template.filter
    assert (values is not None) == matches(template.filter, topic)
    assert values is None or tuple(values) == template.names


@given(template=templates(), data=st.data())
def test_match_gives_back_what_expand_was_given(template: TopicTemplate, data: st.DataObject) -> None:
    """An expanded topic is valid, and matching it returns the values it was made of."""
    values = {name: data.draw(LEVEL | st.text(), label=name) for name in template.names}
    try:
        topic = template.expand(**values)
    except TopicError:
        return

    assert validate_topic(topic) == topic
    assert template.match(topic) == values


@given(topic=TOPIC, data=st.data())
def test_expand_gives_back_what_match_was_given(topic: str, data: st.DataObject) -> None:
    """A topic taken apart by a template without wildcards is put together again by it."""
    named = [data.draw(st.booleans()) for _ in topic.split("/")]
    levels = topic.split("/")
    template = TopicTemplate("/".join(f"{{n{i}}}" if name else levels[i] for i, name in enumerate(named)))
    values = template.match(topic)

    if values is None:
        assert topic.startswith("$")
    else:
        assert template.expand(**values) == topic


@pytest.mark.parametrize(
    ("text", "values", "reason", "hint"),
    [
        ("a/{x}/{y}", {"x": "1"}, "the parameter 'y' has no value", "Pass y=..."),
        ("a/{plant}", {"plnat": "1"}, "it has no parameter 'plnat', only 'plant'", "Did you mean 'plant'?"),
        ("a/{x}/{y}", {"x": "1", "y": "2", "other": "3"}, "it has no parameter 'other', only 'x', 'y'", None),
        ("a", {"x": "1"}, "it has no parameter 'x', nor any other", None),
        (
            "a/{x}",
            {"x": "b/c"},
            "the parameter 'x' cannot be 'b/c': it contains '/' at index 1, which separates levels",
            None,
        ),
        (
            "a/{x}",
            {"x": "+"},
            "the parameter 'x' cannot be '+': it contains the wildcard '+' at index 0, and only a filter may",
            "Publish to one exact topic",
        ),
        (
            "a/{x}",
            {"x": "\x00"},
            "the parameter 'x' cannot be '\\x00': it contains the control character U+0000 at index 0",
            None,
        ),
        ("a/{x}", {"x": 7}, "the parameter 'x' cannot be 7: it is no str", "Pass its text"),
        (
            "{x}/a",
            {"x": "$SYS"},
            "the parameter 'x' cannot be '$SYS': a parameter at the beginning matches no topic that begins with '$'",
            None,
        ),
    ],
)
def test_values_are_refused_with_their_reason(
    text: str,
    values: dict[str, Any],  # wrong types on purpose
    reason: str,
    hint: str | None,
) -> None:
    """A missing, unknown or impossible value is named, with the nearest parameter where one is near."""
    with pytest.raises(TopicError) as caught:
        TopicTemplate(text).expand(**values)

    assert caught.value.topic == text
    assert caught.value.message == f"Template {text!r} cannot be expanded: {reason}"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("{x}/#", {"x": "a"}, "it contains the wildcard '#' at index 2, and only a filter may"),
        ("{x}", {"x": ""}, "it is empty"),
        ("a/{x}", {"x": "a" * 65_534}, "it is 65536 bytes long in UTF-8, and at most 65535 are allowed"),
    ],
)
def test_an_expanded_text_must_be_a_topic(text: str, values: dict[str, str], reason: str) -> None:
    """Values that are fine one by one are refused if the whole is no topic."""
    with pytest.raises(TopicError) as caught:
        TopicTemplate(text).expand(**values)

    assert caught.value.reason == reason


def test_values_are_taken_literally() -> None:
    """Braces in a value are text, not another parameter."""
    assert TopicTemplate("{x}/{y}").expand(x="{y}", y="{0.__class__}") == "{y}/{0.__class__}"


def test_self_is_a_name_like_any_other() -> None:
    """A parameter may be called ``self``."""
    assert TopicTemplate("a/{self}").expand(self="b") == "a/b"


def test_templates_are_values() -> None:
    """Templates compare and hash by their text, show it, and survive copying and pickling."""
    template = TopicTemplate("plants/{plant}/flow")

    assert template == TopicTemplate("plants/{plant}/flow")
    assert template != TopicTemplate("plants/+/flow")
    assert len({template, TopicTemplate("plants/{plant}/flow")}) == 1
    assert repr(template) == "TopicTemplate('plants/{plant}/flow')"
    for twin in (copy.deepcopy(template), pickle.loads(pickle.dumps(template))):  # noqa: S301 - our own bytes
        assert twin == template
        assert twin.match("plants/7/flow") == {"plant": "7"}


def test_templates_are_immutable() -> None:
    """No attribute of a template can be assigned."""
    template = TopicTemplate("a")

    for name in ("text", "names", "filter", "is_pattern"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(template, name, "b")


def test_members_of_string_enums_become_plain_text() -> None:
    """A subclass of ``str`` is taken for its text."""

    class Topics(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is not its text
        FLOW = "plants/{plant}/flow"

    assert type(TopicTemplate(Topics.FLOW).text) is str
    assert TopicTemplate(Topics.FLOW) == TopicTemplate("plants/{plant}/flow")


@given(text=st.text(st.characters()) | st.text(st.sampled_from("ab/{}+#$ﬁ℅\n")))
def test_any_text_makes_a_template_or_is_refused(text: str) -> None:
    """For any text there is a template with a valid filter, or a ``TopicError`` about the text."""
    made = made_of(text)

    if isinstance(made, TopicError):
        assert made.topic == text
    else:
        assert validate_filter(made.filter) == made.filter
        assert made.is_pattern == any(mark in text for mark in "+#{")


def made_of(text: str) -> TopicTemplate | TopicError:
    """Return the template or the refusal."""
    try:
        return TopicTemplate(text)
    except TopicError as error:
        return error
