"""From what people give to a configuration; knows where values come from, not how a type reads them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from spa_core.config import _faults
from spa_core.config._fields import Field, canonical, fields_of, names_of
from spa_core.config._reader import UNREADABLE
from spa_core.config._transport_config import TransportConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spa_core.url import Url

__all__ = ["config_from_url", "replace_config", "validate_config"]

ConfigT = TypeVar("ConfigT", bound=TransportConfig)

_URL: Final = "the URL"
_QUERY: Final = "the URL query"
_CHANGES: Final = "overwrite_config"
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def config_from_url(config_type: type[ConfigT], url: Url, *, fixed: Mapping[str, object] = _NOTHING) -> ConfigT:
    """
    Make a configuration of what a URL says.

    Every parameter of the query is a field, ``topics`` stands for ``default_subscription_topics``, and its text becomes
    the field's type:

    - ``int`` and ``float``: decimal, finite.
    - ``bool``: true, false, yes, no, on, off, 1, 0, in any case.
    - `Seconds` and `ByteSize`: a number, or one with a unit: ``250ms``, ``64KiB``.
    - ``Literal``: the value; ``Enum``: the member's value if that is text, else its name in lower case.
    - ``tuple[X, ...]``: items separated by commas, the parameter repeated, or both. An item with a comma in it can only
      be given in code.
    - a union: the first type that fits; ``none`` is ``None`` where no other type takes it.

    Args:
        config_type: The transport's configuration type.
        url: The URL.
        fixed: Fields that the transport took from the URL's user, hosts or path by itself. They are converted like
            values given in code, and the query cannot give them again.

    Raises:
        ParameterError: A parameter is unknown, repeated, missing or not of its type.
        TypeError: *config_type* has a field of an unsupported type, or *fixed* names no field; for the author.

    Example:
        >>> from spa_core.url import Url
        >>> config = config_from_url(TransportConfig, Url.parse("memory://?topics=a,b&request_timeout=250ms"))
        >>> config.default_subscription_topics, config.request_timeout
        (('a', 'b'), 0.25)
    """
    fields = fields_of(config_type)
    owner = config_type.__name__
    if stray := sorted(fixed.keys() - fields.keys()):
        raise TypeError(f"'fixed' names what is no field of {owner}: {', '.join(stray)}")
    values = {name: _converted(name, fields[name], value, _URL) for name, value in fixed.items()}
    for name, texts in _grouped(url.query, fields, fixed, owner).items():
        values[name] = _read(name, fields[name], texts)
    if absent := [name for name, field in fields.items() if field.required and name not in values]:
        raise _faults.missing(absent, owner=owner, source=_URL)
    return config_type(**values)


def replace_config(config: ConfigT, /, **changes: object) -> ConfigT:
    """
    Return a new configuration with some fields changed; the given one stays as it is.

    Args:
        config: The configuration.
        **changes: Fields; ``topics`` stands for ``default_subscription_topics``. Text is converted as in a URL, save
            that a str for a ``tuple[X, ...]`` is one item; lists become tuples, and ``None`` an empty tuple.

    Raises:
        ParameterError: A name is no field, or a value, changed or not, does not fit its field.
    """
    fields = fields_of(type(config))
    values: dict[str, Any] = {}
    for given, value in changes.items():
        name = canonical(given, fields)
        if name is None:
            raise _faults.unknown(given, owner=type(config).__name__, allowed=names_of(fields), source=_CHANGES)
        if name in values:
            raise _faults.repeated(name, source=_CHANGES)
        values[name] = _converted(given, fields[name], value, _CHANGES)
    changed = msgspec.structs.replace(config, **values)
    validate_config(changed)
    return changed


def validate_config(config: msgspec.Struct) -> None:
    """
    Check that every value of a struct made in code fits its field; nothing is converted.

    For configurations, and for any other frozen struct of settings: msgspec itself checks only what it decodes.

    Raises:
        ParameterError: A value is not of its field's type or not within its bounds.
    """
    for name, field in fields_of(type(config)).items():
        value: object = getattr(config, name)
        if not field.reader.accepts(value):
            raise _faults.unusable(name, field, value=value, source=_faults.IN_CODE)


def _grouped(
    query: Iterable[tuple[str, str]], fields: Mapping[str, Field], fixed: Mapping[str, object], owner: str
) -> dict[str, list[str]]:
    free = {name: field for name, field in fields.items() if name not in fixed}
    texts: dict[str, list[str]] = {}
    for given, text in query:
        name = canonical(given, fields)
        if name is None:
            raise _faults.unknown(given, owner=owner, allowed=names_of(free), source=_QUERY)
        if name in fixed:
            raise _faults.taken(given, owner=owner, source=_QUERY)
        texts.setdefault(name, []).append(text)
    return texts


def _read(name: str, field: Field, texts: list[str]) -> Any:  # noqa: ANN401 - of the field's type, which only msgspec sees
    if len(texts) > 1 and not field.reader.repeats:
        raise _faults.repeated(name, source=_QUERY)
    text = ",".join(filter(None, texts))
    value = field.reader.read(text)
    if value is UNREADABLE:
        raise _faults.unusable(name, field, value=text, source=_QUERY)
    return value


def _converted(name: str, field: Field, value: object, source: str) -> Any:  # noqa: ANN401 - as above
    converted = field.reader.convert(value)
    if converted is UNREADABLE:
        raise _faults.unusable(name, field, value=value, source=source)
    return converted
