"""
How a subscription comes to be: its topics declared, its consumers started, and both ended in good order.

Three kinds: for everybody, for a group, and for the replies to this socket.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from spa_core.errors import SpaError, SubscribeError, TransportError
from spa_kafka.client import ConsumerLink, DeniedError, Record
from spa_kafka.cluster import Cluster
from spa_kafka.config import KafkaConfig
from spa_kafka.consumer import Reading
from spa_kafka.everything import EverythingConsumer
from spa_kafka.groups import GroupConsumer
from spa_kafka.partitions import Past
from spa_kafka.producer import Producer
from spa_kafka.replies import is_own_topic, reply_address, shared_topic
from spa_kafka.retries import Original, postponed, restored, waiting_place
from spa_kafka.subscription import KafkaSubscription
from spa_kafka.topics import TopicSelection, retry_delay
from spa_kafka.wire import from_record

if TYPE_CHECKING:
    from spa_core.message import SpaMessage
    from spa_core.transport import SubscriptionSpec
    from spa_kafka.partitions import Partition

__all__ = ["Listening", "Means", "Replies", "listening_for", "milliseconds_now"]

logger = logging.getLogger("spa_kafka")


class Means(NamedTuple):
    """
    What a socket has for its subscriptions.

    Attributes:
        config: The configuration.
        cluster: Knows the topics.
        producer: Writes what waits for another attempt.
        connect: Makes a consumer of the driver, for a group's id or ``None``.
    """

    config: KafkaConfig
    cluster: Cluster
    producer: Producer
    connect: Callable[[str | None], ConsumerLink]


def milliseconds_now() -> int:
    """Return the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def listening_for(spec: SubscriptionSpec, means: Means) -> Listening:
    """
    Return what listens as *spec* asks.

    Raises:
        TopicError: A filter means nothing that Kafka has.
    """
    if spec.reply:
        return Replies(spec, means)
    return _Everything(spec, means) if spec.group is None else _Group(spec, spec.group, means)


class Listening(ABC):
    """
    One subscription from its opening to its end.

    Attributes:
        subscription: What is handed to whoever subscribed.
    """

    subscription: KafkaSubscription

    def __init__(self, spec: SubscriptionSpec, means: Means) -> None:
        self._spec = spec
        self._means = means
        self._config, self._cluster = means.config, means.cluster

    async def open(self) -> None:
        """
        Listen; return once every message published from then on arrives.

        Raises:
            SubscribeError: The broker refuses, or a topic does not exist and is not to be made.
            TransportError: No broker answers in time.
        """
        try:
            await self._open()
        except DeniedError as error:
            topics = ", ".join(self._spec.topics)
            raise SubscribeError(f"{topics} cannot be subscribed to: {error}", topics=self._spec.topics) from error

    @abstractmethod
    async def _open(self) -> None: ...

    async def close(self) -> None:
        """End; what is in hand cannot be settled any more."""
        self.subscription.end()
        await asyncio.gather(*(consumer.stop() for consumer in self.subscription.consumers))

    def _message(self, topic: str, record: Record | Original) -> SpaMessage | None:
        message = from_record(
            topic,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp=record.timestamp,
            now=milliseconds_now(),
        )
        return None if message.ttl is not None and message.ttl <= 0 else message


class _Topics(Listening):
    """Listens to topics that applications publish to."""

    def __init__(self, spec: SubscriptionSpec, means: Means) -> None:
        super().__init__(spec, means)
        self._selection = TopicSelection(spec.topics)
        self._reading = Reading(self._wanted, lambda record: self._message(self._topic_of(record.topic), record))
        self._topic_of = self._selection.topic_of

    def _wanted(self) -> list[str]:
        return [name for name in self._cluster.topics if self._selection.selects(name)]

    async def _declare(self) -> None:
        await self._cluster.look()
        if self._config.declare_topics != "off":
            for name in self._selection.names:
                await self._cluster.declare(name)


class _Everything(_Topics):
    """Listens for a subscription without a group."""

    async def _open(self) -> None:
        config, cluster, _, connect = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch)
        await self._declare()
        consumer = EverythingConsumer(config, cluster, lambda: connect(None), self.subscription, self._reading)
        self.subscription.consumers.append(consumer)
        await consumer.start(config.connect_timeout)


class _Group(_Topics):
    """
    Listens for a member of a group, to its topics and to those where its records wait for another attempt.

    The latter has a consumer and a group of its own, begun when there is such a topic: so whoever joins there disturbs
    nobody here.
    """

    def __init__(self, spec: SubscriptionSpec, group: str, means: Means) -> None:
        super().__init__(spec, means)
        self._group = group
        # Members with other topics are another group to SPA, and would only make this one rebalance.
        filters = "\n".join(sorted(set(spec.topics)))
        self._id = f"{group}-{hashlib.sha256(filters.encode(errors='surrogatepass')).hexdigest()[:8]}"
        self._waiting: GroupConsumer | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def _open(self) -> None:
        config, cluster, _, _ = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch, self._postpone)
        await self._declare()
        consumer = self._consumer(self._id, self._reading, from_the_start=config.start_from == "earliest")
        self.subscription.consumers.append(consumer)
        # Whoever is in the group already may take this long to give partitions back.
        await consumer.start(config.connect_timeout + config.rebalance_timeout)
        cluster.watchers.add(self._look_for_waiting)
        self._look_for_waiting()

    async def close(self) -> None:
        """End; what is being written to wait elsewhere is written."""
        self._cluster.watchers.discard(self._look_for_waiting)
        self.subscription.end()
        if self._writing:
            await asyncio.wait(self._writing, timeout=self._config.drain_timeout)
        await super().close()
        for task in self._writing:
            task.cancel()
        if self._writing:
            await asyncio.wait(self._writing)

    def _consumer(self, group_id: str, reading: Reading, *, from_the_start: bool) -> GroupConsumer:
        config, cluster, _, connect = self._means
        return GroupConsumer(
            config, cluster, lambda: connect(group_id), self.subscription, reading, from_the_start=from_the_start
        )

    def _look_for_waiting(self) -> None:
        if self._waiting is None and self._waiting_topics():
            reading = Reading(self._waiting_topics, self._waited, self._past)
            self._waiting = self._consumer(f"{self._id}-retry", reading, from_the_start=True)
            self.subscription.consumers.append(self._waiting)
            self._waiting.start_soon()

    def _waiting_topics(self) -> list[str]:
        ours = {waiting_place(name, self._group, 1).rpartition(".retry.")[0] for name in self._wanted()}
        names = [name for name in self._cluster.topics if retry_delay(name) is not None]
        return [name for name in names if name.rpartition(".retry.")[0] in ours]

    def _waited(self, record: Record) -> SpaMessage | None:
        original = restored(record)
        if original is None or original.group != self._id:
            return None
        return self._message(self._topic_of(original.topic), original)

    def _past(self, record: Record) -> Past:
        original = restored(record)
        if original is None or original.group != self._id:
            return Past()
        now = asyncio.get_running_loop().time()
        return Past(original.attempts, now + (original.due - milliseconds_now()) / 1000)

    def _postpone(self, partition: Partition[Record], record: Record, attempt: int, delay: float) -> bool:
        if partition.move(record.offset, attempt) is None:
            return False
        task = asyncio.create_task(self._write(partition, record, attempt, delay), name="spa-kafka retry")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return True

    async def _write(self, partition: Partition[Record], record: Record, attempt: int, delay: float) -> None:
        until = asyncio.get_running_loop().time() + delay
        now = milliseconds_now()
        original = restored(record) or record
        try:
            place = waiting_place(original.topic, self._group, delay)
            waiting = postponed(
                original,
                place,
                origin=f"{record.topic}/{record.partition}/{record.offset}",
                group=self._id,
                attempts=attempt,
                due=now + round(delay * 1000),
                now=now,
            )
            await self._means.producer.publish(place, waiting)
        except SpaError as error:
            logger.info("a message on %s waits for its next attempt here and holds back others: %s", record.topic, error)
            partition.stayed(record, until)
        else:
            partition.moved(record.offset)
        for consumer in self.subscription.consumers:
            consumer.settled()
        self.subscription.arrived()


class Replies(Listening):
    """Listens to the replies to this socket, on a topic that is made for them and deleted at the end."""

    async def _open(self) -> None:
        config, cluster, _, connect = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch)
        shared = shared_topic(self._spec.topics[0])
        if shared is None:
            raise DeniedError(f"{self._spec.topics[0]} is no address of replies")
        self._shared = shared
        reading = Reading(self._mine, self._reply)
        consumer = EverythingConsumer(config, cluster, lambda: connect(None), self.subscription, reading)
        self.subscription.consumers.append(consumer)
        await self.make(shared)
        await consumer.start(config.connect_timeout)

    async def make(self, name: str) -> None:
        """Make a topic for replies to this socket."""
        kept = str(round(self._config.reply_retention * 1000))
        await self._cluster.make(name, partitions=1, retention_ms=kept)

    def owns(self, name: str) -> bool:
        """Whether *name* is a topic of replies to this socket."""
        return name == self._shared or is_own_topic(name, self._shared)

    async def close(self) -> None:
        """End, and delete what was made."""
        await super().close()
        try:
            async with asyncio.timeout(self._config.broker_timeout):
                for name in self._mine():
                    await self._cluster.delete(name)
        except (TransportError, TimeoutError) as error:
            logger.info("the topics for replies were not deleted: %s", error)

    def _mine(self) -> list[str]:
        return [name for name in self._cluster.topics if self.owns(name)]

    def _reply(self, record: Record) -> SpaMessage | None:
        return self._message(reply_address(record.topic, dict(record.headers)), record)

