"""What a configuration type's fields are; knows annotations, not where values come from."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import types
from typing import TYPE_CHECKING, Annotated, Literal, Union, get_args, get_origin

import msgspec

from spa_core.config import _scalars
from spa_core.config._compounds import BOUND_NAMES, Bounded, Either, Several
from spa_core.config._units import Unit
from spa_core.url import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spa_core.config._reader import Reader

__all__ = ["Field", "canonical", "fields_of", "names_of"]

_ALIASES = {"topics": "default_subscription_topics"}
_PLAIN: Mapping[object, Reader] = {
    bool: _scalars.BOOLEAN,
    float: _scalars.NUMBER,
    int: _scalars.INTEGER,
    str: _scalars.TEXT,
    types.NoneType: _scalars.NONE,
    Secret: _scalars.SECRET,
}
_QUANTITIES = {Unit.BYTES: _scalars.BYTES, Unit.SECONDS: _scalars.SECONDS}
_CALLABLE: object = collections.abc.Callable
_SUPPORTED = (
    "a field can be str, int, float, bool, Seconds, ByteSize, Secret, a Literal, an Enum, tuple[X, ...], a union of "
    "these, or a class or Callable that only code gives"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, how its values are read, and what it is when nobody gives one."""

    name: str
    reader: Reader
    info: msgspec.structs.FieldInfo

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.info.required

    def is_default(self, value: object) -> bool:
        """Return whether *value* is what the field has when nobody gives one."""
        if self.info.default_factory is not msgspec.NODEFAULT:
            return bool(value == self.info.default_factory())
        return bool(value == self.info.default)


@functools.cache
def fields_of(config_type: type[msgspec.Struct]) -> Mapping[str, Field]:
    """
    Return the fields of a configuration type in the order of their declaration.

    Raises:
        TypeError: A field has a type that cannot be a parameter, or an annotation cannot be resolved; for the author.
    """
    try:
        infos = msgspec.structs.fields(config_type)
    except NameError as error:
        reason = f"an annotation of {config_type.__name__} cannot be resolved: {error}; import the name at run time too"
        raise TypeError(reason) from error
    return {
        info.name: Field(info.name, _reader(info.type, f"{config_type.__name__}.{info.name}"), info) for info in infos
    }


def canonical(name: str, fields: Mapping[str, Field]) -> str | None:
    """Return the field that *name*, or what it is an alias of, names; ``None`` for an unknown name."""
    if name in fields:
        return name
    target = _ALIASES.get(name)
    return target if target in fields else None


def names_of(fields: Mapping[str, Field]) -> list[str]:
    """Return every name that can be given, aliases included, sorted."""
    return sorted({*fields, *(alias for alias in _ALIASES if canonical(alias, fields))})


def _reader(annotation: object, where: str) -> Reader:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], where)
    if origin is Literal:
        return _scalars.Choice({_literal_text(value): value for value in arguments})
    if origin in (Union, types.UnionType):
        return Either([_reader(option, where) for option in arguments])
    if origin is tuple and arguments[1:] == (...,):
        return Several(_reader(arguments[0], where))
    if origin is _CALLABLE:
        return _scalars.CALLABLE
    if isinstance(annotation, type) and (reader := _class_reader(annotation)):
        return reader
    raise TypeError(f"{where} has a type that cannot be a parameter, {annotation!r}; {_SUPPORTED}")


def _class_reader(kind: type[object]) -> Reader | None:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if issubclass(kind, enum.Enum):
        return _scalars.Choice({_enum_text(member): member for member in kind})
    return _scalars.instance_of(kind) if kind.__module__ != "builtins" and _has_instances(kind) else None


def _has_instances(kind: type) -> bool:
    try:
        isinstance(None, kind)
    except TypeError:  # Any, a TypedDict, a Protocol that is not for run time
        return False
    return True


def _annotated(inner: object, metadata: Sequence[object], where: str) -> Reader:
    units = [_QUANTITIES[mark] for mark in metadata if isinstance(mark, Unit)]
    reader = units[0] if units else _reader(inner, where)
    bounds = {
        name: bound
        for mark in metadata
        if isinstance(mark, msgspec.Meta)
        for name in BOUND_NAMES
        if (bound := getattr(mark, name)) is not None
    }
    if useless := sorted(bounds.keys() - reader.bounds):
        raise TypeError(f"{where} has a constraint that its type cannot keep: {', '.join(useless)}")
    return Bounded(reader, bounds) if bounds else reader


def _literal_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _enum_text(member: enum.Enum) -> str:
    """Return the text that selects a member: its value if that is text, else its name in lower case."""
    return member.value if isinstance(member.value, str) else member.name.lower()
