"""
What keeps one consumer of the driver alive: connects, polls ahead of whoever receives, and connects again.

How partitions come and go is the business of its two kinds, for groups and for subscriptions without one.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from spa_core.errors import AuthenticationError, ConnectError, DisconnectedError, TransportError
from spa_core.transport import Backoff
from spa_kafka.client import ConsumerLink, DeniedError, Record
from spa_kafka.reading import NothingToFetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from spa_kafka.assignment import Assignment, Place
    from spa_kafka.cluster import Cluster
    from spa_kafka.config import KafkaConfig
    from spa_kafka.partitions import Partition
    from spa_kafka.reading import Reading
    from spa_kafka.subscription import KafkaSubscription

__all__ = ["Consumer"]

logger = logging.getLogger("spa_kafka")

_POLL: Final = 0.2
"""Seconds after which a poll that finds nothing looks around."""

_GLANCE: Final = 0.005
"""The same while a partition is full: the poll is not for that one, which is handled in as little time."""


class Consumer(ABC):
    """
    One consumer of the driver, supervised.

    Args:
        config: The configuration.
        cluster: Knows the topics.
        connect: Makes a consumer of the driver.
        subscription: What it fetches for.
        reading: What it fetches.

    Attributes:
        assignment: The partitions it has; ``None`` while it has none.
        reading: What it fetches, and what becomes of it.
    """

    def __init__(
        self,
        config: KafkaConfig,
        cluster: Cluster,
        connect: Callable[[], ConsumerLink],
        subscription: KafkaSubscription,
        reading: Reading,
    ) -> None:
        self.reading = reading
        self.assignment: Assignment[Record] | None = None
        self._config = config
        self._cluster = cluster
        self._connect = connect
        self._subscription = subscription
        self._full: set[Place] = set()
        self._stir = asyncio.Event()
        self._changed = False
        self._error: TransportError | None = None
        self._live: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> None:
        """
        Begin; return when everything published from now on is fetched.

        Raises:
            TransportError: The broker refuses, or it took more than *seconds*.
        """
        live = self._begin()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(live)
        except TimeoutError as error:
            raise self._error or ConnectError(f"nothing could be fetched within {seconds:g} s") from error

    def start_soon(self) -> None:
        """Begin, and go on trying."""
        self._begin().add_done_callback(_retrieve)

    def _begin(self) -> asyncio.Future[None]:
        self._cluster.watchers.add(self._topics_changed)
        self._live = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name="spa-kafka consumer")
        self._task.add_done_callback(self._ended)
        return self._live

    async def stop(self) -> None:
        """Fetch nothing more and disconnect; what is in hand can be settled no more."""
        self._cluster.watchers.discard(self._topics_changed)
        if self._task is not None:
            self._task.remove_done_callback(self._ended)
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._live is not None:
            self._live.cancel()
        self._give_up()

    def stop_fetching(self) -> None:
        """Hand out nothing more; what is in hand can still be settled."""
        if self.assignment is not None:
            self.assignment.stop()

    def taken(self) -> None:
        """Hear that records were handed out, so that there may be room."""
        if self._full:
            self._stir.set()

    @abstractmethod
    def settled(self) -> None:
        """Hear that a record was settled."""

    @abstractmethod
    async def _attach(self, link: ConsumerLink) -> None:
        """Have partitions assigned, now or later."""

    @abstractmethod
    async def _rewire(self, link: ConsumerLink) -> None:
        """Fetch the topics that are wanted by now."""

    @abstractmethod
    async def _detach(self, link: ConsumerLink) -> None:
        """End what :meth:`_attach` began."""

    @abstractmethod
    async def _wait_for_topics(self) -> None:
        """Wait until it is worth connecting."""

    def _topics_changed(self) -> None:
        self._changed = True
        self._stir.set()

    def _is_live(self) -> None:
        if self._live is not None and not self._live.done():
            self._live.set_result(None)

    def _give_up(self) -> None:
        """End the assignment: nobody can settle what was handed out of it."""
        assignment, self.assignment = self.assignment, None
        self._full.clear()
        if assignment is not None:
            self._subscription.given_up(assignment.close())

    async def _run(self) -> None:
        backoff = Backoff(self._config.reconnect_min, self._config.reconnect_max)
        while True:
            try:
                await self._live_once(backoff)
            except (AuthenticationError, DeniedError) as error:
                self._end(error)
                return
            except TransportError as error:
                self._error = error
                logger.warning("consuming was interrupted and begins again: %s", error)
            except NothingToFetchError:
                continue
            except Exception as error:
                logger.exception("consuming ended")
                self._end(DisconnectedError(f"consuming ended: {error!r}"))
                return
            await asyncio.sleep(backoff.pause())

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell whoever receives that nothing will come any more, however that came about; never go deaf."""
        if task.cancelled() or task.exception() is not None:
            self._end(DisconnectedError("consuming ended: it was cancelled by somebody else"))

    def _end(self, error: TransportError) -> None:
        if self._live is not None and not self._live.done():
            self._live.set_exception(error)
        self._subscription.failed(error)

    async def _live_once(self, backoff: Backoff) -> None:
        await self._wait_for_topics()
        link = self._connect()
        try:
            try:
                async with asyncio.timeout(self._config.connect_timeout):
                    await link.start()
            except TimeoutError as error:
                raise ConnectError(f"no broker answered within {self._config.connect_timeout:g} s") from error
            self._error = None
            self._changed = False
            await self._attach(link)
            await self._poll(link, backoff)
        finally:
            await self._detach(link)
            await link.stop()

    async def _poll(self, link: ConsumerLink, backoff: Backoff) -> None:
        most = self._config.poll_max
        while True:
            if self._error is not None:
                raise self._error
            if self._changed:
                self._changed = False
                await self._rewire(link)
            hungry = self._hungry()
            if hungry is None:
                await self._stirred()
                continue
            if self.assignment is None:
                await self._fetch_or_stir(link, most)
            elif not await self._fetch(link, most, hungry) and self._misses_a_topic(link):
                await self._cluster.look()  # until the deleted topic is let go, the driver asks for it without a pause
            backoff.reset()

    async def _fetch(self, link: ConsumerLink, most: int, places: Collection[Place] = ()) -> bool:
        """Hold what was fetched; ``False`` if nothing was."""
        batches = await link.poll(_GLANCE if self._full else _POLL, most, places)
        if not batches:
            return False
        self._cluster.proved()
        # Before anybody else runs: what is held, and where the driver goes on, must be of the same assignment.
        self._hold(batches)
        await asyncio.sleep(0)  # where there is always more the poll never waits, and others must run
        return True

    async def _fetch_or_stir(self, link: ConsumerLink, most: int) -> None:
        """Fetch until topics change: without partitions the driver waits for them however long, and notices nothing."""
        self._stir.clear()
        fetching = asyncio.create_task(self._fetch(link, most))
        stirring = asyncio.create_task(self._stir.wait())
        try:
            await asyncio.wait({fetching, stirring}, return_when=asyncio.FIRST_COMPLETED)
            if fetching.done():
                fetching.result()
        finally:
            fetching.cancel()
            stirring.cancel()
            await asyncio.wait({fetching, stirring})

    def _misses_a_topic(self, link: ConsumerLink) -> bool:
        return self.assignment is not None and link.lacks({topic for topic, _ in self.assignment.partitions})

    def _hungry(self) -> Collection[Place] | None:
        """Return the partitions that there is room for, none meaning all; ``None`` if there is room for none at all."""
        if not self._fetches():
            return None
        if not self._full or self.assignment is None:
            return ()
        partitions = self.assignment.partitions
        self._full = {place for place in self._full if place in partitions and not self._has_room(partitions[place])}
        if not self._full:
            return ()
        return [place for place in partitions if place not in self._full] or None

    @abstractmethod
    def _fetches(self) -> bool:
        """Whether there is any topic to fetch."""

    def _has_room(self, partition: Partition[Record]) -> bool:
        return partition.waiting <= self._config.buffer_low and partition.size <= self._config.fetch_size

    async def _stirred(self) -> None:
        self._stir.clear()
        try:
            async with asyncio.timeout(_POLL):
                await self._stir.wait()
        except TimeoutError:
            return

    def _hold(self, batches: Mapping[Place, Any]) -> None:
        assignment = self.assignment
        if assignment is None or not assignment.open:
            return
        high, size = self._config.buffer_high, 2 * self._config.fetch_size
        for place, records in batches.items():
            partition = assignment.partitions.get(place)
            if partition is None:
                continue
            if records[0].offset < partition.position:
                partition = self._anew(assignment, place, records[0].offset)
            partition.fetched(records)
            if partition.waiting >= high or partition.size >= size:
                self._full.add(place)
        self._subscription.arrived()

    def _anew(self, assignment: Assignment[Record], place: Place, start: int) -> Partition[Record]:
        # Nothing is ever fetched twice: the driver had to begin again, because the broker has no such offset any more.
        old = assignment.partitions[place]
        text = "%s/%d begins anew at offset %d: it was made again, or cut; %d messages that waited here are lost"
        logger.warning(text, *place, start, old.waiting)
        self._subscription.given_up(assignment.begin_anew(place, start))
        return assignment.partitions[place]


def _retrieve(live: asyncio.Future[None]) -> None:
    if not live.cancelled():
        live.exception()
