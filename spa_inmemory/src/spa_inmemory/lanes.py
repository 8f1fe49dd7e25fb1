"""
Which member of a group has the messages of a key, and what waits behind them; pure.

A key is free or belongs to the one member that has messages of it in flight. What others come across is parked: for
that member or, once the key is free, for all. So messages of one key are never with two members and never overtake.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spa_inmemory.backlog import Entry
    from spa_inmemory.members import Member, MemoryDelivery

__all__ = ["KeyLanes"]


class _Lane:
    """One key in flight."""

    __slots__ = ("in_flight", "key", "owner", "parked")

    def __init__(self, key: bytes, owner: Member) -> None:
        self.key = key
        self.owner = owner
        self.in_flight = 1
        self.parked: list[Entry] = []  # a heap


class KeyLanes:
    """
    The keys in flight in one queue.

    Args:
        deliveries: What is in flight already.
    """

    __slots__ = ("_behind", "_lanes")

    def __init__(self, deliveries: Iterable[MemoryDelivery] = ()) -> None:
        self._lanes: dict[bytes, _Lane] = {}
        self._behind: dict[Member, dict[_Lane, None]] = {}  # the lanes of each member where something is parked
        for delivery in deliveries:
            self.claim(delivery.message.key, delivery.native)

    def claim(self, key: bytes | None, member: Member) -> bool:
        """Count a message as in flight at *member*, unless the key is with another; say whether it may have it."""
        if key is None:
            return True
        lane = self._lanes.get(key)
        if lane is None:
            self._lanes[key] = _Lane(key, member)
            return True
        if lane.owner is not member:
            return False
        lane.in_flight += 1
        return True

    def release(self, key: bytes | None) -> Sequence[Entry]:
        """Count a message as no longer in flight, and return what was parked behind its key if that is free now."""
        if key is None:
            return ()
        lane = self._lanes[key]
        lane.in_flight -= 1
        if lane.in_flight:
            return ()
        del self._lanes[key]
        if lane.parked:
            self._strike(lane)
        return lane.parked

    def park(self, entry: Entry) -> Member | None:
        """Park an entry whose key is in flight and return the key's owner; ``None`` and nothing done if it is free."""
        key = entry.message.key
        lane = None if key is None else self._lanes.get(key)
        if lane is None:
            return None
        heappush(lane.parked, entry)
        self._behind.setdefault(lane.owner, {})[lane] = None
        return lane.owner

    def next_parked(self, member: Member) -> Entry | None:
        """Take an entry that is parked for *member*, the first of its key; ``None`` if there is none."""
        behind = self._behind.get(member)
        if behind is None:
            return None
        lane = next(iter(behind))
        entry = heappop(lane.parked)
        if not lane.parked:
            self._strike(lane)
        return entry

    def parked(self) -> Iterator[Entry]:
        """Yield everything that is parked."""
        for lane in self._lanes.values():
            yield from lane.parked

    def _strike(self, lane: _Lane) -> None:
        behind = self._behind[lane.owner]
        del behind[lane]
        if not behind:
            del self._behind[lane.owner]
