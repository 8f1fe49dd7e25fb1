"""What is said of a parameter that cannot be used; shows no value of a secret field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core._suggest import did_you_mean
from spa_core.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.config._fields import Field

__all__ = ["IN_CODE", "missing", "repeated", "taken", "unknown", "unusable"]

IN_CODE = "the configuration"
"""The source of a value that a configuration was made with directly."""

_SHOWN = 80


def unknown(name: str, *, owner: str, allowed: Sequence[str], source: str) -> ParameterError:
    """Return the error for a name that is no field."""
    message = f"{owner} has no parameter {_shown(name)}, given in {source}; it has {', '.join(allowed)}"
    return ParameterError(message, parameter=name, allowed=allowed, source=source, hint=did_you_mean(name, allowed))


def unusable(name: str, field: Field, *, value: object, source: str) -> ParameterError:
    """Return the error for a value that does not fit its field."""
    reader = field.reader
    given = "and its value is not shown" if reader.secret else f"not {_shown(value)}"
    hint = did_you_mean(value, reader.allowed) if isinstance(value, str) and not reader.secret else None
    message = f"parameter {name!r} in {source} must be {reader.words}, {given}"
    return ParameterError(message, parameter=name, allowed=reader.allowed, source=source, hint=hint)


def repeated(name: str, *, source: str) -> ParameterError:
    """Return the error for a parameter that is given again but holds one value."""
    return ParameterError(f"parameter {name!r} is given more than once in {source}", parameter=name, source=source)


def taken(name: str, *, owner: str, source: str) -> ParameterError:
    """Return the error for a parameter that the transport takes from another part of the URL."""
    message = f"parameter {name!r} cannot be given in {source}: {owner} takes it from the URL's user, host or path"
    return ParameterError(message, parameter=name, source=source)


def missing(names: Sequence[str], *, owner: str, source: str) -> ParameterError:
    """Return the error for parameters that have no default and are not given."""
    message = f"{owner} needs {', '.join(names)}, and {source} does not give {'it' if len(names) == 1 else 'them'}"
    return ParameterError(message, parameter=names[0], source=source)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
