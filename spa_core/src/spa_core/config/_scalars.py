"""The types that hold one value; knows how each is written, not where it is used."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from spa_core.config._reader import UNREADABLE, Reader
from spa_core.config._units import read_bytes, read_seconds
from spa_core.url import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "BOOLEAN",
    "BYTES",
    "CALLABLE",
    "INTEGER",
    "LENGTHS",
    "NONE",
    "NUMBER",
    "SECONDS",
    "SECRET",
    "TEXT",
    "Choice",
    "instance_of",
]

LENGTHS = frozenset({"min_length", "max_length"})
_MEASURES = frozenset({"gt", "ge", "lt", "le", "multiple_of"})

_INTEGER_TEXT = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER_TEXT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BOOLEAN_WORDS = {
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
    "on": True,
    "off": False,
    "1": True,
    "0": False,
}


class _Scalar(Reader):
    """A type that two functions describe: what a text stands for, if anything, and whether a value is one."""

    def __init__(
        self,
        words: str,
        read: Callable[[str], object],
        accepts: Callable[[object], bool],
        *,
        allowed: tuple[str, ...] = (),
        bounds: frozenset[str] = frozenset(),
    ) -> None:
        self.words = words
        self.allowed = allowed
        self.bounds = bounds
        self._read = read
        self._accepts = accepts

    def read(self, text: str) -> object:
        value = self._read(text)
        return value if self._accepts(value) else UNREADABLE

    def accepts(self, value: object) -> bool:
        return self._accepts(value)


class _SecretScalar(Reader):
    words = "secret text"
    secret = True

    def read(self, text: str) -> object:
        return Secret(text)

    def accepts(self, value: object) -> bool:
        return isinstance(value, Secret)

    def normalise(self, value: object) -> object:
        return Secret(value) if isinstance(value, str) else value


class _None(Reader):
    words = "none"
    allowed = ("none",)

    def read(self, text: str) -> object:
        return None if text.lower() == "none" else UNREADABLE

    def accepts(self, value: object) -> bool:
        return value is None


class Choice(Reader):
    """One of a few values, each selected by a text."""

    def __init__(self, choices: Mapping[str, object]) -> None:
        self.allowed = tuple(choices)
        names = ", ".join(map(repr, choices))
        self.words = f"one of {names}" if len(choices) > 1 else names
        self._choices = choices

    def read(self, text: str) -> object:
        return self._choices.get(text, UNREADABLE)

    def accepts(self, value: object) -> bool:
        # The type as well: True equals 1 but is not among the numbers 1, 2 and 3.
        return any(type(value) is type(choice) and value == choice for choice in self._choices.values())


def instance_of(kind: type) -> Reader:
    """Return the reader of a class that text cannot express, such as ``ssl.SSLContext``: its values come from code."""
    words = f"an instance of {kind.__name__} given in code"
    return _Scalar(words, _no_text, lambda value: isinstance(value, kind))


def _no_text(text: str) -> object:  # noqa: ARG001 - whatever the text is
    return UNREADABLE


def _read_integer(text: str) -> int | None:
    return int(text) if _INTEGER_TEXT.fullmatch(text) else None


def _read_number(text: str) -> float | None:
    return float(text) if _NUMBER_TEXT.fullmatch(text) else None


def _read_boolean(text: str) -> bool | None:
    return _BOOLEAN_WORDS.get(text.lower())


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def _is_no_less_than_zero(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0


BOOLEAN = _Scalar(
    "true or false (as text also yes, no, on, off, 1, 0)",
    _read_boolean,
    lambda value: isinstance(value, bool),
    allowed=tuple(_BOOLEAN_WORDS),
)
BYTES = _Scalar(
    "a size in bytes such as 1024, 64KiB or 1MB",
    read_bytes,
    lambda value: _is_integer(value) and _is_no_less_than_zero(value),
    bounds=_MEASURES,
)
CALLABLE = _Scalar("a callable given in code", _no_text, callable)
INTEGER = _Scalar("a whole number", _read_integer, _is_integer, bounds=_MEASURES)
NONE = _None()
NUMBER = _Scalar("a finite number", _read_number, _is_number, bounds=_MEASURES)
SECONDS = _Scalar(
    "a duration such as 1.5 (seconds), 250ms, 5s, 2m or 1h",
    read_seconds,
    lambda value: _is_number(value) and _is_no_less_than_zero(value),
    bounds=_MEASURES,
)
SECRET = _SecretScalar()
TEXT = _Scalar("text", str, lambda value: isinstance(value, str), bounds=LENGTHS | {"pattern"})
