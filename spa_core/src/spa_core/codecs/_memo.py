"""A bounded table of computed values; knows nothing of what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Memo"]

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Memo(dict[KeyT, ValueT], Generic[KeyT, ValueT]):
    """
    Computes each value once: ``memo[key]`` costs one dict lookup from then on.

    A full table is emptied rather than pruned: that keeps the lookup free of bookkeeping, and programs whose keys do
    not fit are served correctly, only slower.
    """

    def __init__(
        self, make: Callable[[KeyT], ValueT], *, limit: int = 256, worth_keeping: Callable[[KeyT], bool] | None = None
    ) -> None:
        super().__init__()
        self._make = make
        self._limit = limit
        self._worth_keeping = worth_keeping

    def __missing__(self, key: KeyT) -> ValueT:
        value = self._make(key)
        if self._worth_keeping is None or self._worth_keeping(key):
            if len(self) >= self._limit:
                self.clear()
            self[key] = value
        return value

    def of(self, key: KeyT) -> ValueT:
        """Return the value of *key*, which is computed each time if the key cannot be hashed."""
        try:
            return self[key]
        except TypeError:
            return self._make(key)
