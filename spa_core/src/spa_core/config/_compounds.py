"""The types made of other types: lists, alternatives, bounds; knows how they combine, not what is in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

from spa_core.config._reader import UNREADABLE, Reader
from spa_core.config._scalars import LENGTHS, NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["BOUND_NAMES", "Bounded", "Either", "Several"]


class Several(Reader):
    """
    A tuple of any length.

    Text separates the items by commas, and empty text is no item. In code a str is one item, since a topic may hold a
    comma; ``None`` is no item; lists and sets become tuples.
    """

    repeats = True
    bounds = LENGTHS

    def __init__(self, item: Reader) -> None:
        self.words = f"a list, each item {item.words}"
        self.secret = item.secret
        self._item = item

    def read(self, text: str) -> object:
        items = tuple(self._item.read(part) for part in text.split(",")) if text else ()
        return UNREADABLE if UNREADABLE in items else items

    def accepts(self, value: object) -> bool:
        return _is_collection(value, tuple) and all(map(self._item.accepts, value))

    def normalise(self, value: object) -> object:
        items = _as_tuple(value)
        return value if items is None else tuple(map(self._item.normalise, items))

    def convert(self, value: object) -> object:
        given = _as_tuple(value)
        if given is None:
            return UNREADABLE
        items = tuple(map(self._item.convert, given))
        return UNREADABLE if UNREADABLE in items else items


class Either(Reader):
    """
    A union: the first type that fits wins, in the order of the declaration, but ``None`` comes last.

    So the text ``none`` means ``None``, unless the type takes any text: then it is that text.
    """

    def __init__(self, options: Sequence[Reader]) -> None:
        self._options = sorted(options, key=lambda option: option is NONE)
        self.words = " or ".join(option.words for option in self._options)
        if all(option.allowed for option in self._options):
            self.allowed = tuple(word for option in self._options for word in option.allowed)
        self.secret = any(option.secret for option in self._options)
        self.repeats = any(option.repeats for option in self._options)

    def read(self, text: str) -> object:
        return next((value for option in self._options if (value := option.read(text)) is not UNREADABLE), UNREADABLE)

    def accepts(self, value: object) -> bool:
        return any(option.accepts(value) for option in self._options)

    def normalise(self, value: object) -> object:
        if self.accepts(value):
            return value
        normals = ((option, option.normalise(value)) for option in self._options)
        return next((normal for option, normal in normals if option.accepts(normal)), value)

    def convert(self, value: object) -> object:
        if self.accepts(value):
            return value
        values = (option.convert(value) for option in self._options)
        return next((converted for converted in values if converted is not UNREADABLE), UNREADABLE)


_BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "gt": ("more than {}", lambda value, bound: value > bound),
    "ge": ("at least {}", lambda value, bound: value >= bound),
    "lt": ("less than {}", lambda value, bound: value < bound),
    "le": ("at most {}", lambda value, bound: value <= bound),
    "multiple_of": ("a multiple of {}", lambda value, bound: value % bound == 0),
    "min_length": ("with a length of at least {}", lambda value, bound: len(value) >= bound),
    "max_length": ("with a length of at most {}", lambda value, bound: len(value) <= bound),
    "pattern": ("matching the pattern {}", lambda value, bound: re.search(bound, value) is not None),
}

BOUND_NAMES = (*_BOUNDS, "tz")
"""Every constraint ``msgspec.Meta`` can set."""


class Bounded(Reader):
    """
    A type with the constraints of ``msgspec.Meta``.

    Args:
        inner: The type; the names of the constraints are among its `bounds`.
        bounds: The constraints by name.
    """

    def __init__(self, inner: Reader, bounds: Mapping[str, object]) -> None:
        limits = ", ".join(_BOUNDS[name][0].format(bound) for name, bound in bounds.items())
        self.words = f"{inner.words} ({limits})"
        self.secret = inner.secret
        self.repeats = inner.repeats
        self._inner = inner
        self._bounds = bounds

    def read(self, text: str) -> object:
        return self._within(self._inner.read(text))

    def accepts(self, value: object) -> bool:
        return self._inner.accepts(value) and self._within(value) is not UNREADABLE

    def normalise(self, value: object) -> object:
        return self._inner.normalise(value)

    def convert(self, value: object) -> object:
        return self._within(self._inner.convert(value))

    def _within(self, value: object) -> object:
        if value is UNREADABLE:
            return UNREADABLE
        return value if all(_BOUNDS[name][1](value, bound) for name, bound in self._bounds.items()) else UNREADABLE


def _as_tuple(value: object) -> tuple[object, ...] | None:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple(value) if _is_collection(value, tuple, list, set, frozenset) else None


def _is_collection(value: object, *kinds: type) -> TypeGuard[Iterable[object]]:
    return isinstance(value, kinds)
