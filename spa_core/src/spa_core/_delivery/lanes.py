"""
Ordered concurrency: which item may run next, so that items of one lane never overtake each other.

Pure bookkeeping, no tasks. A lane exists only while it has items; an idle worker is never kept waiting while an item of
a free lane is there, as happens where keys are hashed onto a fixed number of lanes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

ItemT = TypeVar("ItemT")


class Lanes(Generic[ItemT]):
    """Items waiting to run, at most one of each lane at a time; the lane ``None`` has no order."""

    def __init__(self) -> None:
        self._ready: deque[tuple[ItemT, Hashable]] = deque()
        # A lane is here while one of its items is ready or running; its later items wait behind that one.
        self._behind: dict[Hashable, deque[ItemT]] = {}
        self._size = 0

    def __len__(self) -> int:
        """Items added and not yet done, running ones included."""
        return self._size

    @property
    def ready(self) -> int:
        """Items that may run now."""
        return len(self._ready)

    def add(self, item: ItemT, lane: Hashable) -> None:
        """Add an item at the end of its lane."""
        self._size += 1
        if lane is None:
            self._ready.append((item, None))
        elif lane in self._behind:
            self._behind[lane].append(item)
        else:
            self._behind[lane] = deque()
            self._ready.append((item, lane))

    def take(self) -> tuple[ItemT, Hashable] | None:
        """Take the item that has been ready longest, to run it; ``None`` if no item may run now."""
        return self._ready.popleft() if self._ready else None

    def done(self, lane: Hashable) -> None:
        """Say that the running item of a lane ended; the lane's next item becomes ready."""
        self._size -= 1
        if lane is None:
            return
        behind = self._behind[lane]
        if behind:
            self._ready.append((behind.popleft(), lane))
        else:
            del self._behind[lane]
