"""
The bounded way from a client's read callback, which must never wait, to a subscription that is pulled.

It knows nothing of brokers or settlement. No event is made for an item, only for a receiver that must wait.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar, get_args

import anyio
import anyio.lowlevel

from spa_core._suggest import did_you_mean
from spa_core.errors import EndOfSubscription, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BoundedInbox", "Overflow"]

T = TypeVar("T")

Overflow: TypeAlias = Literal["refuse", "drop_oldest", "drop_new"]
"""What a full inbox does with one more item: leave it to the caller, make room for it, or drop it; it counts drops."""


class BoundedInbox(Generic[T]):
    """
    Items put in by callbacks, without waiting, and received in batches, in order, each by one receiver.

    Everything is called from one event loop's thread. The drop policies suit items that the broker expects no answer
    for: nobody settles what was dropped.

    Args:
        bound: The most items held, at least 1.
        overflow: What happens to an item at the bound.
        high: When this many items are held, *on_full* is called, once until there is room again; the bound if ``None``.
        low: When no more than this many are held again, *on_room* is called; half of *high* if ``None``.
        on_full: Asks the transport to pause its reader. Neither callback may raise or block.
        on_room: Asks the transport to resume its reader; never called after the end.

    Attributes:
        dropped: How many items overflow has dropped.

    Raises:
        ParameterError: *bound*, *overflow*, *high* or *low* cannot be used.

    Example:
        >>> import anyio
        >>> inbox = BoundedInbox[str](2, overflow="drop_oldest")
        >>> [inbox.put(reading) for reading in ("98.2", "100.6", "101.3")]
        [True, True, True]
        >>> anyio.run(inbox.receive_batch, 10)
        ['100.6', '101.3']
        >>> inbox.dropped
        1
    """

    __slots__ = (
        "_bound",
        "_error",
        "_full",
        "_high",
        "_items",
        "_line",
        "_low",
        "_on_full",
        "_on_room",
        "_overflow",
        "_stopped",
        "dropped",
    )

    def __init__(
        self,
        bound: int,
        *,
        overflow: Overflow,
        high: int | None = None,
        low: int | None = None,
        on_full: Callable[[], None] | None = None,
        on_room: Callable[[], None] | None = None,
    ) -> None:
        self._bound = bound
        self._overflow = overflow
        self._high = bound if high is None else high
        self._low = self._high // 2 if low is None else low
        _check(bound, overflow, self._high, self._low)
        self._on_full = on_full
        self._on_room = on_room
        self.dropped = 0
        self._items: deque[T] = deque()
        # Receivers that wait, first come first served. Only the first is called, and it keeps its place until it runs:
        # no newcomer takes what it was called for.
        self._line: deque[anyio.Event] = deque()
        self._full = False
        self._stopped = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        """Return how many items are held."""
        return len(self._items)

    def put(self, item: T) -> bool:
        """
        Hold *item* for a receiver; at the bound, do what the overflow policy says.

        Returns:
            Whether the item is held. ``False`` after the end, too, when nothing is held or counted any more.
        """
        if self._stopped or self._error is not None:
            return False
        items = self._items
        if len(items) >= self._bound:
            if self._overflow != "refuse":
                self.dropped += 1
            if self._overflow != "drop_oldest":
                return False
            items.popleft()
        items.append(item)
        self._call_first()
        if len(items) >= self._high and not self._full:
            self._full = True
            if self._on_full is not None:
                self._on_full()
        return True

    async def receive_batch(self, max_items: int) -> list[T]:
        """
        Wait until at least one item is held and return up to *max_items*, in order.

        Cancelling the call loses no item. Several receivers are served in the order of their calls. Every call lets
        other tasks run at least once.

        Args:
            max_items: The most items to return, at least 1.

        Raises:
            EndOfSubscription: :meth:`stop` was called.
            Exception: What :meth:`fail` was given, once every item was handed out.
        """
        try:
            if self._free:
                await anyio.lowlevel.checkpoint()
            if not self._free:
                await self._stand_in_line()
            return self._take(max_items)
        finally:
            # Whether this receiver took items, met the end or was cancelled: what it leaves is for the next one.
            self._call_first()

    def stop(self) -> None:
        """
        Hand out nothing more: every receiver that waits or comes ends with ``EndOfSubscription``.

        It wins over an error, and the items held stay for :meth:`drain`. May be called more than once.
        """
        self._stopped = True
        self._call_first()

    def fail(self, error: Exception) -> None:
        """
        Take nothing more in, and raise *error* from every receiver once the items held are handed out.

        The first error counts; after :meth:`stop` none does.
        """
        if self._error is None:
            self._error = error
        self._call_first()

    def drain(self) -> list[T]:
        """Take out and return the items that were not handed out, in order."""
        items = list(self._items)
        self._items.clear()
        self._tell_of_room()
        return items

    @property
    def _ready(self) -> bool:
        """There is something for a receiver: an item or the end."""
        return bool(self._items) or self._stopped or self._error is not None

    @property
    def _free(self) -> bool:
        """A receiver need not wait: there is something for it, and nobody came before it."""
        return not self._line and self._ready

    def _call_first(self) -> None:
        if self._line and self._ready:
            self._line[0].set()

    async def _stand_in_line(self) -> None:
        called = anyio.Event()
        self._line.append(called)
        try:
            await called.wait()
            while not self._ready:
                # Drained since the call; the place stays.
                called = self._line[0] = anyio.Event()
                await called.wait()
        finally:
            self._line.remove(called)

    def _take(self, max_items: int) -> list[T]:
        if self._stopped:
            raise EndOfSubscription("fetching was stopped")
        items = self._items
        if self._error is not None and not items:
            raise self._error
        batch = [items.popleft() for _ in range(min(max_items, len(items)))]
        self._tell_of_room()
        return batch

    def _tell_of_room(self) -> None:
        if self._full and len(self._items) <= self._low and not self._stopped and self._error is None:
            self._full = False
            if self._on_room is not None:
                self._on_room()


def _check(bound: int, overflow: str, high: int, low: int) -> None:
    if bound < 1:
        raise ParameterError(f"bound must be at least 1, not {bound}", parameter="bound")
    policies = get_args(Overflow)
    if overflow not in policies:
        raise ParameterError(
            f"overflow must be one of {', '.join(policies)}, not {overflow!r}",
            parameter="overflow",
            allowed=policies,
            hint=did_you_mean(overflow, policies),
        )
    if not 1 <= high <= bound:
        raise ParameterError(f"high must be between 1 and the bound, {bound}, not {high}", parameter="high")
    if not 0 <= low < high:
        raise ParameterError(f"low must be at least 0 and below high, {high}, not {low}", parameter="low")
