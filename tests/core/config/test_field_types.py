"""The author of a configuration type learns at once which field cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
import pytest

from spa_core.config import Seconds, TransportConfig, config_from_url
from spa_core.url import Url

if TYPE_CHECKING:
    from decimal import Decimal  # noqa: TC004 - what the test is about


class Shape(Protocol):
    """No class to make instances of."""


class DictConfig(TransportConfig, frozen=True):
    """A mapping."""

    field: dict[str, str] | None = None


class MappingConfig(TransportConfig, frozen=True):
    """A generic class."""

    field: Mapping[str, int] | None = None


class ListConfig(TransportConfig, frozen=True):
    """A list instead of a tuple."""

    field: list[int] | None = None


class PairConfig(TransportConfig, frozen=True):
    """A tuple of fixed length."""

    field: tuple[int, str] = (0, "")


class BytesConfig(TransportConfig, frozen=True):
    """A built-in class."""

    field: bytes = b""


class AnyConfig(TransportConfig, frozen=True):
    """Anything."""

    field: Any = None


class ProtocolConfig(TransportConfig, frozen=True):
    """What isinstance cannot tell."""

    field: Shape | None = None


class NestedConfig(TransportConfig, frozen=True):
    """Deep inside."""

    field: tuple[Annotated[bytes, "x"], ...] = ()


@pytest.mark.parametrize(
    "config_type",
    [DictConfig, MappingConfig, ListConfig, PairConfig, BytesConfig, AnyConfig, ProtocolConfig, NestedConfig],
)
def test_an_unsupported_type_names_its_field(config_type: type[TransportConfig]) -> None:
    """A type that cannot be a parameter is the author's error, raised before any value is looked at."""
    message = f"^{config_type.__name__}.field has a type that cannot be a parameter, .*; a field can be str, int, "

    with pytest.raises(TypeError, match=message):
        config_from_url(config_type, Url.parse("x://h"))
    with pytest.raises(TypeError, match=message):
        config_type()


class LengthOfNumberConfig(TransportConfig, frozen=True):
    """A number has no length."""

    field: Annotated[Seconds, msgspec.Meta(min_length=1)] = 0.0


class BoundOfUnionConfig(TransportConfig, frozen=True):
    """None has no size."""

    field: Annotated[int | None, msgspec.Meta(ge=1)] = None


class ZoneOfTextConfig(TransportConfig, frozen=True):
    """Text has no time zone."""

    field: Annotated[str, msgspec.Meta(tz=True)] = ""


@pytest.mark.parametrize(
    ("config_type", "names"),
    [(LengthOfNumberConfig, "min_length"), (BoundOfUnionConfig, "ge"), (ZoneOfTextConfig, "tz")],
)
def test_a_constraint_that_makes_no_sense_is_refused(config_type: type[TransportConfig], names: str) -> None:
    """A constraint is kept or refused, never ignored."""
    message = f"^{config_type.__name__}.field has a constraint that its type cannot keep: {names}$"

    with pytest.raises(TypeError, match=message):
        config_from_url(config_type, Url.parse("x://h"))


class UnresolvedConfig(TransportConfig, frozen=True):
    """Its annotation is there for type checkers only."""

    field: Decimal | None = None


def test_an_annotation_that_run_time_cannot_see_is_explained() -> None:
    """A name imported for type checking only cannot be resolved, and the error says what to do."""
    message = "^an annotation of UnresolvedConfig cannot be resolved: .*'Decimal'.*; import the name at run time too$"

    with pytest.raises(TypeError, match=message):
        UnresolvedConfig()


class RenamedConfig(TransportConfig, frozen=True):
    """Has a field of its own under the name of the alias, and nothing else changes."""

    topics: int = 0


def test_a_field_goes_before_an_alias() -> None:
    """A transport may use the alias's name for something else."""
    assert config_from_url(RenamedConfig, Url.parse("x://h?topics=5")).topics == 5
