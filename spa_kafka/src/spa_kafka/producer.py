"""
The sending side of a socket: a queue for each partition, pumped in batches by one task, so that nothing overtakes.

While a batch is under way the next one gathers; so there is no lingering, and a thousand publishers make large batches.
A publish ends when all replicas in sync have its batch, or with an error that says whether it can have been written.
"""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from spa_core.errors import (
    PublishError,
    PublishRefusedError,
    QueueFullError,
    SocketClosedError,
    TransportError,
)
from spa_kafka.client import Batch, BatchTooLargeError, DeniedError, ProducerLink, ProducerLostError, Sendable, key_hash
from spa_kafka.outbox import Entry, Lane, outcome_unknown, refused, too_large
from spa_kafka.producing import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from spa_kafka.cluster import Cluster
    from spa_kafka.config import KafkaConfig

__all__ = ["Producer"]

logger = logging.getLogger("spa_kafka")

_CLOSING: Final = 2.0
"""Seconds that batches under way get to be accepted when the socket closes."""

_DOUBT: Final = 1.0
"""Seconds without an answer after which it is looked whether the topic is still there."""

_hash = lru_cache(65_536)(key_hash)  # keys come again, and hashing one costs as much as sending it


class Producer:
    """
    Publishes records for one socket; connects with the first one.

    Args:
        config: The configuration.
        arguments: Of the driver's producer.
        cluster: Knows the topics.
    """

    def __init__(self, config: KafkaConfig, arguments: Mapping[str, Any], cluster: Cluster) -> None:
        self._config = config
        self._cluster = cluster
        self._links = Links(config, arguments)
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._used: set[str] = set()
        self._sticky: dict[str, int] = {}
        self._waiting = 0
        # Who waits for room, in order; until they took it those who were let in stay here, lest others overtake them.
        self._outside: dict[asyncio.Future[None], None] = {}
        self._closed = False

    async def publish(self, topic: str, record: Sendable) -> None:
        """
        Publish a record; return once it is accepted. Cancelled before it was sent, it is not sent.

        Raises:
            MessageTooLargeError: The broker takes no record of this size.
            PublishRefusedError: The broker refuses it, or there is no such topic.
            QueueFullError: As many records as allowed wait already, and went on waiting.
            SocketClosedError: The socket was closed before it was sent.
            PublishError: It was not accepted in time; the error says whether it can have been written.
        """
        partitions = self._cluster.topics.get(topic) or await self.partitions(topic)
        if self._outside or self._waiting >= self._config.outbox_max:
            await self._wait_for_room(topic)
        await self._enqueue(topic, partitions, record).done

    async def publish_many(self, records: Sequence[tuple[str, Sendable]]) -> None:
        """
        Publish in order; return once all are accepted.

        Raises:
            PublishError: As for :meth:`publish`, for the first that was not; those before it were accepted, those
                behind it can have been if they went to another partition.
        """
        under_way: list[Entry] = []
        try:
            for topic, record in records:
                partitions = self._cluster.topics.get(topic) or await self.partitions(topic)
                if self._outside or self._waiting >= self._config.outbox_max:
                    await self._wait_for_room(topic)
                under_way.append(self._enqueue(topic, partitions, record))
            for entry in under_way:
                await entry.done
        finally:
            for entry in under_way:
                if entry.done.cancel() or entry.done.cancelled():
                    continue
                entry.done.exception()  # one error is raised, the others are retrieved

    async def partitions(self, topic: str) -> int:
        """
        Return the number of a topic's partitions, making the topic if that is configured.

        Raises:
            PublishRefusedError: There is no such topic, or it cannot be made.
            PublishError: No broker answers; nothing was sent.
        """
        try:
            if self._config.declare_topics == "off":
                found = await (await self._links.open()).partitions(topic)
                self._cluster.noticed(topic, found)
                return found
            return await self._cluster.declare(topic)
        except DeniedError as error:
            text = f"the message on {topic} was refused: {error}"
            raise PublishRefusedError(text, topic=topic, reason=str(error)) from error
        except (TransportError, TimeoutError) as error:
            raise PublishError(f"the message on {topic} was not sent: {error}", topic=topic) from error

    async def close(self) -> None:
        """Give what is under way a moment, refuse what waits, and disconnect."""
        self._closed = True
        self._cluster.watchers.discard(self._forget_what_is_gone)
        self._admit()
        pumps = {lane.pump for lane in self._lanes.values()}
        for lane in self._lanes.values():
            self._drop_waiting(lane)
        if pumps:
            _, late = await asyncio.wait(pumps, timeout=_CLOSING)
            for pump in late:
                pump.cancel()
            if late:
                await asyncio.wait(late)
        await self._links.close()

    def _drop_waiting(self, lane: Lane) -> None:
        for entry in lane.queue:
            entry.fail(SocketClosedError(f"the socket was closed before the message on {lane.topic} was sent"))
        self._waiting -= len(lane.queue)
        lane.queue.clear()
        self._admit()

    def _enqueue(self, topic: str, partitions: int, record: Sendable) -> Entry:
        if self._closed:
            raise SocketClosedError("the socket is closed")
        loop = asyncio.get_running_loop()
        entry = Entry(record, loop.time() + self._config.publish_timeout, loop.create_future())
        place = topic, self._choose(topic, partitions, record.key)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(*place)
            lane.pump = loop.create_task(self._pump(lane), name=f"spa-kafka pump {topic}/{place[1]}")
            if topic not in self._used:
                self._used.add(topic)
                self._cluster.watchers.add(self._forget_what_is_gone)
        lane.queue.append(entry)
        self._waiting += 1
        return entry

    def _choose(self, topic: str, partitions: int, key: bytes | None) -> int:
        if partitions == 1:
            return 0
        if key is not None:
            return _hash(key) % partitions
        # The same one until its batch is taken: so records without a key make large batches and still go everywhere.
        return self._sticky.setdefault(topic, 0) % partitions

    async def _wait_for_room(self, topic: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outside[turn] = None
        try:
            async with asyncio.timeout(self._config.publish_timeout):
                await turn
        except BaseException as error:
            del self._outside[turn]
            self._admit()  # it may have been let in already
            if not isinstance(error, TimeoutError):
                raise
            limit = self._config.outbox_max
            text = f"{limit} messages wait to be sent, and the message on {topic} found no room"
            raise QueueFullError(text, topic=topic, queue="publishing", limit=limit) from error
        del self._outside[turn]

    def _admit(self) -> None:
        """Wake one of those who wait for each place; waking all of them each time costs the square of their number."""
        room = len(self._outside) if self._closed else max(0, self._config.outbox_max - self._waiting)
        for turn in islice(self._outside, room):
            if not turn.done():
                turn.set_result(None)

    async def _pump(self, lane: Lane) -> None:
        taken: Sequence[Entry] = ()
        try:
            while lane.queue:
                link = await self._open(lane)
                if link is None:
                    continue
                batch, taken = self._gather(lane, link)
                if taken:
                    await self._send(lane, link, batch, taken)
                taken = ()
        except Exception as error:
            logger.exception("publishing to %s/%d was interrupted", lane.topic, lane.partition)
            self._fail((*taken, *lane.queue), partial(outcome_unknown, lane.topic, repr(error)))
        finally:
            self._fail(taken, partial(outcome_unknown, lane.topic, "the socket was closed"))
            self._drop_waiting(lane)
            self._lanes.pop((lane.topic, lane.partition), None)

    async def _open(self, lane: Lane) -> ProducerLink | None:
        """Return the connection; if there is none to be had, fail what waits."""
        try:
            async with asyncio.timeout_at(lane.queue[0].deadline):
                return await self._links.open()
        except (TransportError, TimeoutError) as error:
            text = f"the message on {lane.topic} was not sent: {error}"
            self._fail(lane.queue, partial(PublishError, text, topic=lane.topic))
            self._drop_waiting(lane)
            return None

    def _gather(self, lane: Lane, link: ProducerLink) -> tuple[Batch, list[Entry]]:
        before = len(lane.queue)
        batch, taken = lane.gather(link, asyncio.get_running_loop().time())
        self._waiting -= before - len(lane.queue)
        self._admit()
        self._sticky[lane.topic] = lane.partition + 1
        return batch, taken

    async def _send(self, lane: Lane, link: ProducerLink, batch: Batch, taken: Sequence[Entry]) -> None:
        topic = lane.topic
        try:
            with self._links.using(link):
                async with asyncio.timeout_at(taken[0].deadline):
                    await self._deliver(lane, link, batch)
        except BatchTooLargeError as error:
            self._links.retire(link)
            if len(taken) == 1:
                self._fail(taken, partial(too_large, topic, taken[0].record, self._config.max_payload, error))
            else:
                # The batch as a whole was too large, not each record.
                self._send_again(lane, taken, most=len(taken) // 2)
        except ProducerLostError:
            self._links.retire(link)
            self._send_again(lane, taken)
        except DeniedError as error:
            self._links.retire(link)
            self._fail(taken, partial(refused, topic, error))
        except (TransportError, TimeoutError) as error:
            why = str(error) or f"no answer within {self._config.publish_timeout:g} s"
            self._fail(taken, partial(outcome_unknown, topic, why))
        else:
            self._cluster.proved()
            for entry in taken:
                if not entry.done.done():
                    entry.done.set_result(None)

    def _send_again(self, lane: Lane, taken: Sequence[Entry], *, most: int | None = None) -> None:
        lane.queue.extendleft(reversed(taken))
        lane.most = most or lane.most
        self._waiting += len(taken)

    def _fail(self, entries: Iterable[Entry], told: Callable[[], PublishError]) -> None:
        for entry in entries:
            entry.fail(told())  # each its own: an error that several tasks raise collects the traceback of all

    async def _deliver(self, lane: Lane, link: ProducerLink, batch: Batch) -> None:
        """Send a batch; the driver would go on for ever where the topic was deleted meanwhile."""
        sending = asyncio.create_task(link.send(batch, lane.topic, lane.partition))
        try:
            while not (await asyncio.wait({sending}, timeout=_DOUBT))[0]:
                if await self._is_gone(lane.topic):
                    raise DeniedError(f"topic {lane.topic} was deleted")
            sending.result()
        finally:
            if sending.cancel():
                await asyncio.wait({sending})

    async def _is_gone(self, topic: str) -> bool:
        try:
            return topic not in await self._cluster.look()
        except TransportError:
            return False  # the brokers are, for the moment

    def _forget_what_is_gone(self) -> None:
        for topic in tuple(self._used):
            if topic not in self._cluster.topics:
                self._used.discard(topic)
                self._sticky.pop(topic, None)
                self._links.forget(topic)
