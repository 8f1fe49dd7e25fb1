"""Configurations made or changed in code are normalised, checked, described and never mutated."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.config import ByteSize, Seconds, TransportConfig, describe_config, replace_config, validate_config
from spa_core.errors import ParameterError
from spa_core.url import Secret


class Pace(enum.Enum):
    """A choice."""

    SLOW = 1
    QUICK = 2


class Certificate:
    """Something only code can give."""


class LineConfig(TransportConfig, frozen=True):
    """A subclass as a third party writes it."""

    device: str
    baud: Annotated[int, msgspec.Meta(ge=300)] = 9600
    ratio: float = 1.0
    echo: bool = False
    quiet: Seconds = 0.0
    buffer: ByteSize = 4096
    secret: Secret = Secret("")
    secrets: tuple[Secret, ...] = ()
    parity: Literal["even", "odd", 1] = "even"
    pace: Pace = Pace.SLOW
    pins: tuple[int, ...] = ()
    maybe: tuple[int, ...] | None = None
    marker: int | Literal["auto"] = "auto"
    either: int | tuple[str, ...] = 0
    bounded: Annotated[tuple[str, ...], msgspec.Meta(max_length=2)] = ()
    certificate: Certificate | None = None
    hook: Callable[[], object] | None = None
    labels: tuple[str, ...] = msgspec.field(default_factory=lambda: ("a",))


def line(**values: Any) -> LineConfig:
    """Make a configuration with whatever values."""
    return LineConfig(device="d", **values)


@pytest.mark.parametrize(
    ("given_topics", "topics"),
    [
        (None, ()),
        ("a", ("a",)),
        ("a,b", ("a,b",)),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ({"a"}, ("a",)),
        (frozenset({"a"}), ("a",)),
        ((), ()),
    ],
)
def test_topics_given_in_any_form_become_a_tuple(given_topics: object, topics: tuple[str, ...]) -> None:
    """A str is one topic, None is none, lists and sets become tuples; made or changed alike."""
    made = line(default_subscription_topics=given_topics)
    changed = replace_config(line(default_subscription_topics="old"), topics=given_topics)

    assert made.default_subscription_topics == topics
    assert changed == made
    assert hash(changed) == hash(made)


def test_a_text_given_for_a_secret_is_wrapped() -> None:
    """A password given as plain text is hidden from the moment the configuration exists."""
    config = line(secret="hunter2", secrets=["hunter2"])

    assert "hunter2" not in repr(config)
    assert config.secret == Secret("hunter2")
    assert config.secrets == (Secret("hunter2"),)


def test_what_cannot_be_normalised_is_left_for_the_check() -> None:
    """Making a configuration never fails over a value; validating does."""
    config = line(default_subscription_topics=5, baud="fast")

    assert describe_config(config) == "LineConfig(device='d', baud='fast', default_subscription_topics=5)"
    with pytest.raises(ParameterError, match=r"^parameter 'baud' in the configuration must be a whole number"):
        validate_config(config)


@pytest.mark.parametrize("value", [None, b"hunter2", ["hunter2"]])
def test_what_is_no_text_cannot_be_a_secret(value: object) -> None:
    """A value that could not be hidden is refused before any repr can show it."""
    with pytest.raises(ParameterError) as caught:
        line(secret=value)

    assert (
        caught.value.message
        == "parameter 'secret' in the configuration must be secret text, and its value is not shown"
    )


def test_a_union_is_normalised_to_the_first_type_that_fits() -> None:
    """A list for an int or a tuple is a tuple."""
    assert line(either=["a"]).either == ("a",)
    assert line(either=3).either == 3


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"baud": "1200"}, 1200),
        ({"baud": 1200}, 1200),
        ({"ratio": 2}, 2),
        ({"ratio": "2.5"}, 2.5),
        ({"echo": "yes"}, True),
        ({"echo": True}, True),
        ({"quiet": "250ms"}, 0.25),
        ({"quiet": 3}, 3),
        ({"buffer": "64KiB"}, 65536),
        ({"secret": "pw"}, Secret("pw")),
        ({"secret": Secret("pw")}, Secret("pw")),
        ({"secrets": ["pw"]}, (Secret("pw"),)),
        ({"parity": "odd"}, "odd"),
        ({"parity": 1}, 1),
        ({"pace": "quick"}, Pace.QUICK),
        ({"pace": Pace.QUICK}, Pace.QUICK),
        ({"pins": ["1", 2]}, (1, 2)),
        ({"pins": "1"}, (1,)),
        ({"pins": None}, ()),
        ({"maybe": None}, None),
        ({"maybe": ["1"]}, (1,)),
        ({"marker": "7"}, 7),
        ({"marker": "auto"}, "auto"),
        ({"bounded": ["a", "b"]}, ("a", "b")),
        ({"certificate": None}, None),
        ({"hook": print}, print),
    ],
)
def test_a_change_is_converted_and_the_old_configuration_kept(change: dict[str, object], value: object) -> None:
    """Text and values alike become the field's type, in a new configuration."""
    old = line()
    before = repr(old)

    new = replace_config(old, **change)

    assert getattr(new, *change) == value
    assert type(getattr(new, *change)) is type(value)
    assert repr(old) == before
    assert new is not old


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baud": 299}, "parameter 'baud' in overwrite_config must be a whole number (at least 300), not 299"),
        ({"baud": True}, "parameter 'baud' in overwrite_config must be a whole number (at least 300), not True"),
        ({"ratio": float("nan")}, "parameter 'ratio' in overwrite_config must be a finite number, not nan"),
        ({"quiet": -1}, "parameter 'quiet' in overwrite_config must be a duration such as"),
        ({"quiet": True}, "parameter 'quiet' in overwrite_config must be a duration such as"),
        ({"buffer": 1.0}, "parameter 'buffer' in overwrite_config must be a size in bytes"),
        ({"echo": 1}, "parameter 'echo' in overwrite_config must be true or false"),
        ({"secret": 5}, "parameter 'secret' in overwrite_config must be secret text, and its value is not shown"),
        (
            {"secrets": [5]},
            "parameter 'secrets' in overwrite_config must be a list, each item secret text, and its value",
        ),
        ({"parity": True}, "parameter 'parity' in overwrite_config must be one of 'even', 'odd', '1', not True"),
        ({"pins": 5}, "parameter 'pins' in overwrite_config must be a list, each item a whole number, not 5"),
        ({"pins": "a"}, "parameter 'pins' in overwrite_config must be a list, each item a whole number, not 'a'"),
        ({"marker": None}, "parameter 'marker' in overwrite_config must be a whole number or 'auto', not None"),
        (
            {"bounded": ["a"] * 3},
            "parameter 'bounded' in overwrite_config must be a list, each item text (with",
        ),
        ({"topics": 5}, "parameter 'topics' in overwrite_config must be a list, each item text, not 5"),
        ({"device": None}, "parameter 'device' in overwrite_config must be text, not None"),
        (
            {"hook": "x"},
            "parameter 'hook' in overwrite_config must be a callable given in code or none, not 'x'",
        ),
        (
            {"group": ""},
            "parameter 'group' in overwrite_config must be text (with a length of at least 1) or none, not ''",
        ),
        (
            {"topics": "a", "default_subscription_topics": "b"},
            "parameter 'default_subscription_topics' is given more than",
        ),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    """The error names the parameter as it was given and what it must be."""
    with pytest.raises(ParameterError) as caught:
        replace_config(line(), **change)

    assert caught.value.message.startswith(message)
    assert caught.value.source == "overwrite_config"


def test_an_unknown_change_is_refused_with_the_nearest_name() -> None:
    """Nothing is dropped in silence."""
    with pytest.raises(ParameterError) as caught:
        replace_config(line(), buad=1)

    assert caught.value.message.startswith(
        "LineConfig has no parameter 'buad', given in overwrite_config; it has baud, "
    )
    assert caught.value.hint == "Did you mean 'baud'?"
    assert caught.value.source == "overwrite_config"


def test_a_changed_configuration_is_valid_as_a_whole() -> None:
    """A value that was wrong before the change is found by the change."""
    with pytest.raises(ParameterError, match=r"^parameter 'baud' in the configuration must be"):
        replace_config(line(baud="fast"), device="e")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"baud": "9600"}, "baud"),
        ({"baud": 1}, "baud"),
        ({"quiet": "5s"}, "quiet"),
        ({"quiet": float("inf")}, "quiet"),
        ({"prefetch": 0}, "prefetch"),
        ({"request_timeout": -1}, "request_timeout"),
        ({"pins": ["1"]}, "pins"),
        ({"bounded": ["a", "b", "c"]}, "bounded"),
        ({"certificate": "x"}, "certificate"),
        ({"hook": 5}, "hook"),
        ({"group": ""}, "group"),
    ],
)
def test_a_configuration_made_in_code_is_checked(values: dict[str, object], name: str) -> None:
    """Types and bounds are checked, and nothing is converted."""
    with pytest.raises(ParameterError) as caught:
        validate_config(line(**values))

    assert caught.value.parameter == name
    assert caught.value.source == "the configuration"


def test_a_configuration_that_fits_passes() -> None:
    """Ints count as floats, instances as what they are, and defaults are valid."""
    validate_config(TransportConfig())
    validate_config(line(ratio=3, certificate=Certificate(), hook=print, maybe=[1], marker=5, either="a"))


def test_a_description_has_what_differs_from_the_defaults() -> None:
    """Required fields are always shown, defaults never, secrets as stars."""
    config = line(baud=1200, secret="hunter2", labels=["a"])

    assert describe_config(config) == "LineConfig(device='d', baud=1200, secret=***)"
    assert describe_config(line(labels="b")) == "LineConfig(device='d', labels=('b',))"
    assert describe_config(TransportConfig()) == "TransportConfig()"


def test_a_configuration_is_frozen() -> None:
    """Nobody changes a configuration that another provider shares."""
    with pytest.raises(AttributeError):
        cast("Any", line()).baud = 1


@given(st.integers(300), st.booleans(), st.lists(st.text()))
def test_changing_nothing_gives_an_equal_configuration(baud: int, echo: bool, topics: list[str]) -> None:  # noqa: FBT001
    """Every value of a valid configuration is accepted as a change to itself."""
    config = line(baud=baud, echo=echo, default_subscription_topics=topics)

    assert replace_config(config) == config
    assert replace_config(line(), **msgspec.structs.asdict(config)) == config
