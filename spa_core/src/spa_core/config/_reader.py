"""
What every type of a configuration field can do: read a value from text, recognise one, say in words what it wants.

A reader knows no field and raises no error over a value: it returns `UNREADABLE`, so that no exception, not even a
chained one, can carry a secret.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Final

__all__ = ["UNREADABLE", "Reader"]


class _Unreadable(enum.Enum):
    UNREADABLE = enum.auto()


UNREADABLE: Final = _Unreadable.UNREADABLE
"""What reading and converting give for a value that does not fit."""


class Reader(ABC):
    """
    One type.

    Attributes:
        words: What a value must be, to stand behind "must be".
        allowed: All texts that are accepted; empty where they cannot be listed.
        secret: Whether values must not be shown.
        repeats: Whether several texts make one value.
        bounds: The constraints of ``msgspec.Meta`` that make sense for the type.
    """

    words: str
    allowed: tuple[str, ...] = ()
    secret: bool = False
    repeats: bool = False
    bounds: frozenset[str] = frozenset()

    @abstractmethod
    def read(self, text: str) -> object:
        """Return the value *text* stands for, or `UNREADABLE`."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Return whether *value* is of this type as it is."""

    def normalise(self, value: object) -> object:
        """Return the form that code means by *value*, such as a tuple for a list; any other value unchanged."""
        return value

    def convert(self, value: object) -> object:
        """Return what a value given in code stands for, text included, or `UNREADABLE`."""
        normal = self.normalise(value)
        if self.accepts(normal):
            return normal
        return self.read(normal) if isinstance(normal, str) else UNREADABLE
