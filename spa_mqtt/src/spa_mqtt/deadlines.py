"""One timer for all that has to end in time: one for each message would cost as much as sending it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Deadlines"]

T = TypeVar("T")


class Deadlines(Generic[T]):
    """
    What has to end, and until when.

    Args:
        loop: Whose clock counts.
        on_over: Called with each whose time is over, after it was removed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_over: Callable[[T], None]) -> None:
        self._loop = loop
        self._on_over = on_over
        self._waiting: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many have not ended."""
        return len(self._waiting)

    def add(self, item: T, deadline: float) -> None:
        """Begin to wait for the end of *item*."""
        self._waiting[item] = deadline
        if self._timer is None or deadline < self._timer.when():
            self._set(deadline)

    def remove(self, item: T) -> None:
        """Note that *item* has ended; doing so again changes nothing."""
        self._waiting.pop(item, None)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for item in [item for item, deadline in self._waiting.items() if deadline <= now]:
            if self._waiting.pop(item, None) is not None:
                self._on_over(item)
        if self._waiting:
            self._set(min(self._waiting.values()))
