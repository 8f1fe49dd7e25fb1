"""
The consumer of a member of a group: partitions come and go, and what is finished is committed.

When partitions go, nothing more is handed out, handlers get a moment to finish, and what they finished is committed;
the rest is delivered again to whoever has the partition next.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from spa_core.errors import DisconnectedError, TransportError
from spa_kafka.assignment import Assignment
from spa_kafka.attempts import read_attempts
from spa_kafka.client import PartitionsLostError
from spa_kafka.consumer import Consumer
from spa_kafka.partitions import Partition
from spa_kafka.reading import NothingToFetchError
from spa_kafka.stuck import StuckWatch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from spa_kafka.assignment import Place
    from spa_kafka.client import ConsumerLink, Record

__all__ = ["GroupConsumer"]

logger = logging.getLogger("spa_kafka")

_BETWEEN_JOINS: Final = 1.0
"""Seconds at least between two changes of a group's topics."""


class GroupConsumer(Consumer):
    """A member of a group; see :class:`~spa_kafka.consumer.Consumer`."""

    def __init__(self, *args: Any, from_the_start: bool, **keywords: Any) -> None:
        """
        Make a member that has not joined yet.

        Args:
            *args: As for a consumer.
            from_the_start: Where the group has never been, begin with the oldest record and not with the next one.
            **keywords: As for a consumer.
        """
        super().__init__(*args, **keywords)
        self._from_the_start = from_the_start
        self._link: ConsumerLink | None = None
        self._listened: frozenset[str] = frozenset()
        self._listened_at = 0.0
        self._first: frozenset[str] | None = None
        self._generation = 0
        self._committing = asyncio.Lock()
        self._behind = False
        self._commits: asyncio.Task[None] | None = None
        self._drained: asyncio.Event | None = None
        self._stuck = StuckWatch(self._config.stuck_after)

    async def stop(self) -> None:
        """Commit what is finished, leave the group and disconnect."""
        self.stop_fetching()
        if self._drained is not None:
            self._drained.set()
        if self._link is not None and self.assignment is not None:
            await self._last_words(self._link, self.assignment)
        self._give_up()
        await super().stop()

    def settled(self) -> None:
        """Hear that a record was settled."""
        if self._drained is not None and (self.assignment is None or not self.assignment.unsettled):
            self._drained.set()

    async def _attach(self, link: ConsumerLink) -> None:
        self._link = link
        self._listened = frozenset()
        self._commits = asyncio.create_task(self._commit_now_and_then(link), name="spa-kafka commits")
        await self._rewire(link)

    async def _wait_for_topics(self) -> None:
        if self._first is None:
            self._first = frozenset(self.reading.wanted())
        while not self.reading.wanted():
            self._is_live()
            await self._stirred()

    def _topics_changed(self) -> None:
        if self._first is not None:
            # One that was deleted and is made again is new, and wanted from its beginning.
            self._first &= frozenset(self.reading.wanted())
        super()._topics_changed()

    async def _rewire(self, link: ConsumerLink) -> None:
        now = asyncio.get_running_loop().time()
        if self._listened and now < self._listened_at + _BETWEEN_JOINS:
            self._changed = True  # later: each change makes the whole group let go and join again
            return
        wanted = frozenset(self.reading.wanted())
        if not wanted:
            # The driver would look for topics that are gone a thousand times a second.
            raise NothingToFetchError
        if wanted == self._listened:
            return
        # Before the driver is told: with the old topics it forgets the partitions, and takes no commit for them.
        await self._revoked()
        self._listened, self._listened_at = wanted, now
        link.listen(wanted, revoked=self._revoked, assigned=self._assigned)

    async def _detach(self, link: ConsumerLink) -> None:
        self._link = None
        if self._commits is not None:
            self._commits.cancel()
            await asyncio.wait({self._commits})
        if self.assignment is not None:
            await self._last_words(link, self.assignment)
            self._give_up()

    def _fetches(self) -> bool:
        return bool(self._listened)

    async def _revoked(self) -> None:
        assignment, link = self.assignment, self._link
        if assignment is None or link is None:
            return
        assignment.stop()
        if assignment.unsettled:
            # The driver may ask while we have begun by ourselves, to change topics.
            drained = self._drained = self._drained or asyncio.Event()
            try:
                async with asyncio.timeout(self._config.drain_timeout):
                    await drained.wait()
            except TimeoutError:
                text = "%d messages were not settled within %g s and will be delivered to another member too. %s"
                hint = "Lower prefetch= where handlers are slow, or raise drain_timeout="
                logger.warning(text, assignment.unsettled, self._config.drain_timeout, hint)
            finally:
                self._drained = None
        await self._last_words(link, assignment)
        if assignment is self.assignment:
            self._give_up()

    async def _assigned(self, places: Collection[Place]) -> None:
        link = self._link
        if link is None:
            return
        mine: list[Place] = [(topic, number) for topic, number in places]
        # No heartbeats go out meanwhile. To give up sooner would mean to join again, as somebody else, for whom the
        # group waits until this member has expired.
        seconds = self._config.session_timeout / 2
        try:
            async with asyncio.timeout(seconds):
                stored, starts = await self._positions(link, mine)
        except TransportError as error:
            self._error = error
            return
        except TimeoutError:
            self._error = DisconnectedError(f"the positions of the group were not told within {seconds:g} s")
            return
        assignment: Assignment[Record] = Assignment()
        self._generation += 1
        for place, start in starts.items():
            attempts = read_attempts(stored[place][1], start) if place in stored else {}
            assignment.partitions[place] = Partition(self._generation, start, attempts=attempts, past=self.reading.past)
            link.seek(place, start)
        self._give_up()
        self.assignment = assignment
        # From now on the group has been here: should we end at once, the next member begins here and not later.
        begun = {place: (start, "") for place, start in starts.items() if place not in stored}
        if await self._commit(link, begun) and self._first is not None:
            # Should the broker know nothing of them later, they were deleted and made again meanwhile.
            self._first -= {topic for topic, _ in begun}
        self._is_live()

    async def _positions(
        self, link: ConsumerLink, places: Collection[Place]
    ) -> tuple[Mapping[Place, tuple[int, str]], Mapping[Place, int]]:
        """Return what the group has committed, and where to begin; tried again while brokers are away."""
        while True:
            try:
                stored = await link.committed(self._all_places({topic for topic, _ in places}, places))
                return stored, await self._starts(link, places, stored)
            except DisconnectedError as error:
                logger.info("the positions of the group are asked for again: %s", error)
                await asyncio.sleep(self._config.reconnect_min)

    def _all_places(self, topics: Collection[str], mine: Collection[Place]) -> dict[Place, None]:
        known = self._cluster.topics
        return dict.fromkeys(mine) | {
            (topic, number): None for topic in topics for number in range(known.get(topic, 0))
        }

    async def _starts(
        self, link: ConsumerLink, places: Collection[Place], stored: Mapping[Place, tuple[int, str]]
    ) -> dict[Place, int]:
        visited = {topic for topic, _ in stored}
        new = [place for place in places if place not in stored]
        # A topic, or a partition of it, that came into being while the group listened is wanted from the start.
        old = [place for place in new if self._from_the_start or place[0] in visited or self._is_later(place[0])]
        starts = {place: stored[place][0] for place in places if place in stored}
        starts |= await link.beginnings(old)
        return starts | await link.ends([place for place in new if place not in old])

    def _is_later(self, topic: str) -> bool:
        return self._first is not None and topic not in self._first

    async def _commit_now_and_then(self, link: ConsumerLink) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._config.commit_interval
            await asyncio.sleep(self._config.commit_interval)
            self._warn_of_lag(loop.time() - due)
            assignment = self.assignment
            if assignment is None:
                continue
            for place, offset, seconds in self._stuck.look(assignment.partitions, loop.time()):
                text = "the message at offset %d of %s/%d has not been settled for %.0f s, and holds back all behind it"
                logger.warning(text, offset, *place, seconds)
            async with self._committing:
                offsets = assignment.committable()
                if await self._commit(link, offsets):
                    assignment.committed((place, offset) for place, (offset, _) in offsets.items())

    def _warn_of_lag(self, seconds: float) -> None:
        """Tell who blocks the event loop so long that the group could take this member for dead."""
        limit = self._config.session_timeout
        if seconds > limit / 3:
            text = "the event loop stood still for %.1f s; after %g s the group takes this member for dead. %s"
            logger.warning(text, seconds, limit, "Make handlers that block plain functions: those run in threads")

    async def _last_words(self, link: ConsumerLink, assignment: Assignment[Record]) -> None:
        async with self._committing:
            offsets = assignment.last_words()
            if await self._commit(link, offsets):
                assignment.committed((place, offset) for place, (offset, _) in offsets.items())

    async def _commit(self, link: ConsumerLink, offsets: Mapping[Place, tuple[int, str]]) -> bool:
        """Commit; ``False`` if it was not, which costs repetitions and no message."""
        # For a topic that was deleted the driver would try for as long as it may, and hold up all others.
        offsets = {place: offset for place, offset in offsets.items() if place[0] in self._cluster.topics}
        if not offsets:
            return False
        try:
            await link.commit(offsets, self._config.broker_timeout)
        except PartitionsLostError as error:
            logger.warning("%s; what is not committed is delivered again", error)
            self._give_up()
            return False
        except TransportError as error:
            # Once: while the cluster is away each commit fails, and all of it is made up for by the next that does not.
            logger.log(logging.DEBUG if self._behind else logging.WARNING, "nothing was committed: %s", error)
            self._behind = True
            return False
        self._behind = False
        return True
