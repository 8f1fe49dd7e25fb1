"""A URL's query becomes a typed configuration."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.config import ByteSize, Seconds, TransportConfig, config_from_url
from spa_core.errors import ParameterError
from spa_core.url import Host, Secret, Url


class Level(enum.Enum):
    """Chosen by name, as its values are no texts."""

    LOW = 1
    HIGH = 2


class Colour(enum.StrEnum):
    """Chosen by value."""

    RED = "Red!"


class Key:
    """Something only code can give."""


class EveryConfig(TransportConfig, frozen=True):
    """A field of every type."""

    text: str = ""
    number: float = 0.0
    whole: int = 0
    flag: bool = False
    wait: Annotated[Seconds, msgspec.Meta(gt=0, lt=60)] = 1.0
    size: ByteSize = 0
    step: Annotated[int, msgspec.Meta(multiple_of=5, le=50, description="in fives")] = 0
    password: Secret = Secret("")
    token: Secret | None = None
    tokens: tuple[Secret, ...] = ()
    acks: int | Literal["all"] = "all"
    mode: Literal["fast", "safe", 1, True] = "safe"
    only: Literal["this"] = "this"
    level: Level = Level.LOW
    colour: Colour = Colour.RED
    numbers: tuple[int, ...] = ()
    some: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0)], ...], msgspec.Meta(min_length=1, max_length=3)] = (0,)
    maybe: tuple[int, ...] | None = None
    retries: int | None = 3
    nickname: str | None = None
    perhaps: bool | None = None
    code: Annotated[str, msgspec.Meta(pattern="^[a-z]*$")] = ""
    certificate: Key | None = None
    hook: Callable[[], object] | None = None


class NeedyConfig(TransportConfig, frozen=True):
    """Fields without defaults."""

    host: str
    port: int
    user: str | None = None


def read(query: str, **fixed: object) -> EveryConfig:
    """Read a query into the configuration that has everything."""
    return config_from_url(EveryConfig, Url.parse(f"x://h?{query}"), fixed=fixed)


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("text=a%20b", "text", "a b"),
        ("text=", "text", ""),
        ("number=-1.5e3", "number", -1500.0),
        ("number=2", "number", 2.0),
        ("whole=%2B7", "whole", 7),
        ("whole=+7", "whole", 7),
        ("whole=-7", "whole", -7),
        ("flag=true", "flag", True),
        ("flag=YES", "flag", True),
        ("flag=on", "flag", True),
        ("flag=1", "flag", True),
        ("flag=False", "flag", False),
        ("flag=no", "flag", False),
        ("flag=off", "flag", False),
        ("flag=0", "flag", False),
        ("wait=250ms", "wait", 0.25),
        ("size=64KiB", "size", 65536),
        ("step=15", "step", 15),
        ("password=pw", "password", Secret("pw")),
        ("token=none", "token", Secret("none")),
        ("tokens=a,b", "tokens", (Secret("a"), Secret("b"))),
        ("acks=1", "acks", 1),
        ("acks=all", "acks", "all"),
        ("mode=fast", "mode", "fast"),
        ("mode=1", "mode", 1),
        ("mode=true", "mode", True),
        ("only=this", "only", "this"),
        ("level=high", "level", Level.HIGH),
        ("colour=Red!", "colour", Colour.RED),
        ("numbers=", "numbers", ()),
        ("numbers=1,2&numbers=3", "numbers", (1, 2, 3)),
        ("some=1,2", "some", (1, 2)),
        ("maybe=1&maybe=2", "maybe", (1, 2)),
        ("maybe=None", "maybe", None),
        ("retries=none", "retries", None),
        ("retries=5", "retries", 5),
        ("nickname=none", "nickname", "none"),
        ("perhaps=none", "perhaps", None),
        ("code=abc", "code", "abc"),
        ("certificate=none", "certificate", None),
        ("topics=a/%2B,b", "default_subscription_topics", ("a/+", "b")),
        ("topics=a&default_subscription_topics=b,c", "default_subscription_topics", ("a", "b", "c")),
        ("client_id=me&client_name=Me", "client_name", "Me"),
        ("group=g", "group", "g"),
        ("prefetch=1", "prefetch", 1),
        ("request_timeout=2m", "request_timeout", 120.0),
    ],
)
def test_the_text_becomes_the_type_of_the_field(query: str, field: str, value: object) -> None:
    """Each supported type is read from its text."""
    got = getattr(read(query), field)

    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("number=nan", "parameter 'number' in the URL query must be a finite number, not 'nan'"),
        ("number=1e999", "parameter 'number' in the URL query must be a finite number, not '1e999'"),
        ("whole=1.0", "parameter 'whole' in the URL query must be a whole number, not '1.0'"),
        ("whole=1_0", "parameter 'whole' in the URL query must be a whole number, not '1_0'"),
        ("whole=%D9%A3", "parameter 'whole' in the URL query must be a whole number, not '٣'"),
        ("whole=" + "9" * 101, f"parameter 'whole' in the URL query must be a whole number, not '{'9' * 79}…"),
        (
            "flag=maybe",
            (
                "parameter 'flag' in the URL query must be true or false (as text also yes, no, on, off, 1, 0), "
                "not 'maybe'"
            ),
        ),
        (
            "wait=5x",
            (
                "parameter 'wait' in the URL query must be a duration such as 1.5 (seconds), 250ms, 5s, 2m or 1h "
                "(more than 0, less than 60), not '5x'"
            ),
        ),
        ("size=x", "parameter 'size' in the URL query must be a size in bytes such as 1024, 64KiB or 1MB, not 'x'"),
        ("step=7", "parameter 'step' in the URL query must be a whole number (at most 50, a multiple of 5), not '7'"),
        ("step=55", "parameter 'step' in the URL query must be a whole number (at most 50, a multiple of 5), not '55'"),
        ("acks=most", "parameter 'acks' in the URL query must be a whole number or 'all', not 'most'"),
        ("only=that", "parameter 'only' in the URL query must be 'this', not 'that'"),
        ("level=1", "parameter 'level' in the URL query must be one of 'low', 'high', not '1'"),
        ("colour=red", "parameter 'colour' in the URL query must be 'Red!', not 'red'"),
        ("numbers=1,,2", "parameter 'numbers' in the URL query must be a list, each item a whole number, not '1,,2'"),
        (
            "some=",
            (
                "parameter 'some' in the URL query must be a list, each item a whole number (at least 0) "
                "(with a length of at least 1, with a length of at most 3), not ''"
            ),
        ),
        ("retries=x", "parameter 'retries' in the URL query must be a whole number or none, not 'x'"),
        ("code=A", "parameter 'code' in the URL query must be text (matching the pattern ^[a-z]*$), not 'A'"),
        (
            "certificate=x",
            ("parameter 'certificate' in the URL query must be an instance of Key given in code or none, not 'x'"),
        ),
        ("hook=x", "parameter 'hook' in the URL query must be a callable given in code or none, not 'x'"),
        ("prefetch=0", "parameter 'prefetch' in the URL query must be a whole number (at least 1), not '0'"),
        ("group=", "parameter 'group' in the URL query must be text (with a length of at least 1) or none, not ''"),
        ("whole=1&whole=1", "parameter 'whole' is given more than once in the URL query"),
        ("password=a&password=b", "parameter 'password' is given more than once in the URL query"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words(query: str, message: str) -> None:
    """The error names the parameter, where it came from, what it must be and what it is."""
    with pytest.raises(ParameterError) as caught:
        read(query)

    assert caught.value.message.startswith(message)
    assert caught.value.source == "the URL query"
    assert caught.value.parameter == query.partition("=")[0]


@pytest.mark.parametrize(
    ("query", "allowed", "hint"),
    [
        ("mode=safer", ("fast", "safe", "1", "true"), "Did you mean 'safe'?"),
        ("level=hihg", ("low", "high"), "Did you mean 'high'?"),
        ("flag=treu", ("true", "false", "yes", "no", "on", "off", "1", "0"), "Did you mean 'true'?"),
        ("perhaps=nnoe", ("true", "false", "yes", "no", "on", "off", "1", "0", "none"), "Did you mean 'none'?"),
        ("acks=al", (), None),
    ],
)
def test_the_allowed_values_are_listed_where_they_can_be(
    query: str, allowed: tuple[str, ...], hint: str | None
) -> None:
    """A choice lists its values and suggests the nearest."""
    with pytest.raises(ParameterError) as caught:
        read(query)

    assert caught.value.allowed == allowed
    assert caught.value.hint == hint


def test_an_unknown_parameter_is_refused_with_the_nearest_and_all_names() -> None:
    """A misspelt name is no warning: it stops the start."""
    with pytest.raises(ParameterError) as caught:
        config_from_url(TransportConfig, Url.parse("x://h?prefech=5"))

    assert str(caught.value) == (
        "TransportConfig has no parameter 'prefech', given in the URL query; it has client_id, client_name, "
        "default_subscription_topics, group, prefetch, request_timeout, topics. Did you mean 'prefetch'?"
    )
    assert caught.value.source == "the URL query"
    assert "topics" in caught.value.allowed


def test_fixed_fields_complete_the_query() -> None:
    """What the transport took from the URL itself stands beside what the query says."""
    url = Url.parse("x://h:1?user=ann")
    config = config_from_url(NeedyConfig, url, fixed={"host": url.hosts[0].name, "port": url.hosts[0].port})

    assert config == NeedyConfig(host="h", port=1, user="ann")


@pytest.mark.parametrize("name", ["host", "port"])
def test_a_fixed_field_cannot_be_given_again(name: str) -> None:
    """One thing has one place in a URL; the allowed names leave it out."""
    fixed = {"host": "h", "port": 1}

    with pytest.raises(ParameterError) as caught:
        config_from_url(NeedyConfig, Url.parse(f"x://h?{name}=1"), fixed=fixed)
    assert caught.value.message == (
        f"parameter '{name}' cannot be given in the URL query: NeedyConfig takes it from the URL's user, host or path"
    )
    with pytest.raises(ParameterError) as caught:
        config_from_url(NeedyConfig, Url.parse("x://h?prt=1"), fixed=fixed)
    assert not {"host", "port"} & set(caught.value.allowed)


def test_an_alias_cannot_go_round_a_fixed_field() -> None:
    """Fixed topics are fixed under both names, and neither is offered."""
    fixed = {"default_subscription_topics": "a,b"}

    with pytest.raises(ParameterError, match=r"^parameter 'topics' cannot be given"):
        read("topics=c", **fixed)
    with pytest.raises(ParameterError) as caught:
        read("topic=c", **fixed)
    assert not {"topics", "default_subscription_topics"} & set(caught.value.allowed)
    assert read("", **fixed).default_subscription_topics == ("a,b",)


def test_a_fixed_value_is_checked_like_any_other() -> None:
    """A URL's own part that does not fit is the URL's fault."""
    with pytest.raises(ParameterError) as caught:
        config_from_url(NeedyConfig, Url.parse("x://h"), fixed={"host": "h", "port": None})

    assert caught.value.message == "parameter 'port' in the URL must be a whole number, not None"
    assert caught.value.source == "the URL"


def test_fixing_what_is_no_field_is_the_authors_error() -> None:
    """A transport that fixes an unknown field is told so at once."""
    with pytest.raises(TypeError, match=r"^'fixed' names what is no field of NeedyConfig: hots$"):
        config_from_url(NeedyConfig, Url.parse("x://h"), fixed={"hots": "h"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "NeedyConfig needs host, port, and the URL does not give them"),
        ("host=h", "NeedyConfig needs port, and the URL does not give it"),
    ],
)
def test_what_has_no_default_must_be_given(query: str, message: str) -> None:
    """Missing parameters are named, all at once."""
    with pytest.raises(ParameterError) as caught:
        config_from_url(NeedyConfig, Url.parse(f"x://h?{query}"))

    assert caught.value.message == message


@given(
    st.integers(-(10**99), 10**99), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text("a/+$é ")
)
def test_what_python_writes_is_read_back(whole: int, number: float, flag: bool, text: str) -> None:  # noqa: FBT001
    """Numbers, truths and texts survive the way through a URL."""
    query = tuple({"whole": str(whole), "number": str(number), "flag": str(flag), "text": text}.items())
    url = Url.parse(Url(scheme="x", hosts=(Host("h"),), query=query).reveal())

    config = config_from_url(EveryConfig, url)

    assert (config.whole, config.number, config.flag, config.text) == (whole, number, flag, text)


@given(st.lists(st.tuples(st.sampled_from(list(EveryConfig.__struct_fields__)), st.text(max_size=5)), max_size=3))
def test_no_query_raises_anything_but_a_parameter_error(pairs: list[tuple[str, str]]) -> None:
    """Whatever is given for known names, it becomes a configuration or a ParameterError."""
    query: Any = tuple((name, text) for name, text in pairs if text.isprintable())
    with contextlib.suppress(ParameterError):
        config_from_url(EveryConfig, Url(scheme="x", query=query))
