"""
The subscription of a member of a group: its topics, and those where its records wait for another attempt.

The latter have a consumer and a group of their own, begun when there is such a topic: so whoever joins there disturbs
nobody here.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from spa_core.errors import SpaError
from spa_kafka.companions import COMPANIONS
from spa_kafka.groups import GroupConsumer
from spa_kafka.listening import TopicsListening, milliseconds_now
from spa_kafka.partitions import Past
from spa_kafka.reading import Reading
from spa_kafka.retries import postponed, restored, waiting_place
from spa_kafka.subscription import KafkaSubscription
from spa_kafka.topics import retry_delay

if TYPE_CHECKING:
    from spa_core.message import SpaMessage
    from spa_core.transport import SubscriptionSpec
    from spa_kafka.client import Record
    from spa_kafka.listening import Means
    from spa_kafka.partitions import Partition

__all__ = ["MemberListening"]

logger = logging.getLogger("spa_kafka")


class MemberListening(TopicsListening):
    """
    Listens for a member of a group.

    Args:
        spec: What is subscribed to.
        group: The group's name.
        means: What the socket has.
    """

    def __init__(self, spec: SubscriptionSpec, group: str, means: Means) -> None:
        super().__init__(spec, means)
        self._group = group
        self._place = ",".join(means.config.bootstrap_servers), group
        self._has_joined = False
        self._waiting: GroupConsumer | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def _open(self) -> None:
        config, cluster, _, _ = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch, self._postpone)
        COMPANIONS.join(*self._place, self._selection)
        self._has_joined = True
        await self._declare()
        consumer = self._consumer(self._group, self._reading, from_the_start=config.start_from == "earliest")
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
        if self._has_joined:
            COMPANIONS.leave(*self._place, self._selection)

    def _consumer(self, group_id: str, reading: Reading, *, from_the_start: bool) -> GroupConsumer:
        config, cluster, _, connect = self._means
        return GroupConsumer(
            config, cluster, lambda: connect(group_id), self.subscription, reading, from_the_start=from_the_start
        )

    def _look_for_waiting(self) -> None:
        if self._waiting is None and self._waiting_topics():
            reading = Reading(self._waiting_topics, self._waited, self._past)
            self._waiting = self._consumer(f"{self._group}-retry", reading, from_the_start=True)
            self.subscription.consumers.append(self._waiting)
            self._waiting.start_soon()

    def _waiting_topics(self) -> list[str]:
        ours = {waiting_place(name, self._group, 1).rpartition(".retry.")[0] for name in self._wanted()}
        names = [name for name in self._cluster.topics if retry_delay(name) is not None]
        return [name for name in names if name.rpartition(".retry.")[0] in ours]

    def _waited(self, record: Record) -> SpaMessage | None:
        original = restored(record)
        if original is None or original.group != self._group:
            return None
        return self.message_of(self._topic_of(original.topic), original)

    def _past(self, record: Record) -> Past:
        original = restored(record)
        if original is None or original.group != self._group:
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
                group=self._group,
                attempts=attempt,
                due=now + 1 + math.ceil(delay * 1000),  # the clock that is read has whole milliseconds
                now=now,
            )
            await self._means.producer.publish(place, waiting)
        except SpaError as error:
            logger.info(
                "a message on %s waits for its next attempt here and holds back others: %s", record.topic, error
            )
            partition.stayed(record, until)
        else:
            partition.moved(record.offset)
        for consumer in self.subscription.consumers:
            consumer.settled()
        self.subscription.arrived()
