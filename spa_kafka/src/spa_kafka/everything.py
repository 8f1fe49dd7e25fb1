"""
The consumer of a subscription without a group: every partition, from the moment of subscribing on, nothing committed.

Its partitions outlive a lost connection: nobody else takes them, so that nothing is lost and nothing comes twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_kafka.assignment import Assignment
from spa_kafka.consumer import Consumer
from spa_kafka.partitions import Partition

if TYPE_CHECKING:
    from spa_kafka.assignment import Place
    from spa_kafka.client import ConsumerLink

__all__ = ["EverythingConsumer"]


class EverythingConsumer(Consumer):
    """Fetches all partitions of the wanted topics; see :class:`~spa_kafka.consumer.Consumer`."""

    def settled(self) -> None:
        """Do nothing: there is nothing to commit, and nobody waits."""

    async def _wait_for_topics(self) -> None:
        """Do not wait: positions are to be known before there is anything."""

    async def _attach(self, link: ConsumerLink) -> None:
        first = self.assignment is None
        places = self._places()
        if first:
            self.assignment = Assignment()
            # The positions are known before anybody is told that the subscription is live.
            self._add(await link.ends(places))
        await self._rewire(link, anew=True)
        self._is_live()

    async def _detach(self, link: ConsumerLink) -> None:
        """Keep everything: the next connection goes on from here."""

    async def _rewire(self, link: ConsumerLink, *, anew: bool = False) -> None:
        assignment = self.assignment
        if assignment is None:
            return
        places = self._places()
        gone = [place for place in assignment.partitions if place not in places]
        new = [place for place in places if place not in assignment.partitions]
        if not (gone or new or anew):
            return
        # What came into being since then is wanted from its first record on.
        self._add(await self._beginnings(link, new))
        for place in gone:
            self._subscription.given_up(assignment.partitions.pop(place).close())
        link.assign({place: partition.position for place, partition in assignment.partitions.items()})

    async def _beginnings(self, link: ConsumerLink, places: list[Place]) -> dict[Place, int]:
        return await link.beginnings(places)

    def _fetches(self) -> bool:
        return self.assignment is not None and bool(self.assignment.partitions)

    def _places(self) -> dict[Place, None]:
        topics = self._cluster.topics
        return {(topic, number): None for topic in self.reading.wanted() for number in range(topics.get(topic, 0))}

    def _add(self, starts: dict[Place, int]) -> None:
        if self.assignment is not None:
            for place, start in starts.items():
                self.assignment.partitions[place] = Partition(0, start)
