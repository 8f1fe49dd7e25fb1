"""Which record holds back the commits of its partition for too long; pure: it is told the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spa_kafka.assignment import Place
    from spa_kafka.partitions import Partition

__all__ = ["StuckWatch"]


class StuckWatch:
    """
    Notices records that stay unsettled.

    Args:
        after: Seconds after which one counts as stuck.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._since: dict[Place, tuple[int, float, bool]] = {}

    def look(self, partitions: Mapping[Place, Partition[Any]], now: float) -> Iterator[tuple[Place, int, float]]:
        """Return the place, the offset and the seconds of each record that is stuck, each record once."""
        for place in self._since.keys() - partitions.keys():
            del self._since[place]
        for place, partition in partitions.items():
            oldest = partition.oldest
            if oldest is None:
                self._since.pop(place, None)
                continue
            offset, since, told = self._since.get(place, (-1, now, False))
            if offset != oldest:
                since, told = now, False
            if not told and now - since >= self._after:
                told = True
                yield place, oldest, now - since
            self._since[place] = oldest, since, told
