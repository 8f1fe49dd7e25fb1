"""
How a subscription comes to be: its topics declared, its consumers started, and both ended in good order.

Here is the common part, and the kind that everybody can have; members of groups and replies have files of their own.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from spa_core.errors import SubscribeError
from spa_kafka.client import DeniedError
from spa_kafka.everything import EverythingConsumer
from spa_kafka.reading import Reading
from spa_kafka.subscription import KafkaSubscription
from spa_kafka.topics import TopicSelection
from spa_kafka.wire import from_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.message import SpaMessage
    from spa_core.transport import SubscriptionSpec
    from spa_kafka.client import ConsumerLink, Record
    from spa_kafka.cluster import Cluster
    from spa_kafka.config import KafkaConfig
    from spa_kafka.producer import Producer
    from spa_kafka.retries import Original

__all__ = ["EverythingListening", "Listening", "Means", "TopicsListening", "milliseconds_now"]


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

    def message_of(self, topic: str, record: Record | Original) -> SpaMessage | None:
        """Return a record as a message on *topic*; ``None`` if it has expired."""
        message = from_record(
            topic,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp=record.timestamp,
            now=milliseconds_now(),
        )
        return None if message.ttl is not None and message.ttl <= 0 else message


class TopicsListening(Listening):
    """Listens to topics that applications publish to."""

    def __init__(self, spec: SubscriptionSpec, means: Means) -> None:
        super().__init__(spec, means)
        self._selection = TopicSelection(spec.topics)
        self._topic_of = self._selection.topic_of
        self._reading = Reading(self._wanted, self._message)

    def _message(self, record: Record) -> SpaMessage | None:
        return self.message_of(self._topic_of(record.topic), record)

    def _wanted(self) -> list[str]:
        return [name for name in self._cluster.topics if self._selection.selects(name)]

    async def _declare(self) -> None:
        await self._cluster.look()
        if self._config.declare_topics != "off":
            await asyncio.gather(*map(self._cluster.declare, self._selection.names))


class EverythingListening(TopicsListening):
    """Listens for a subscription without a group."""

    async def _open(self) -> None:
        config, cluster, _, connect = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch)
        await self._declare()
        consumer = EverythingConsumer(config, cluster, lambda: connect(None), self.subscription, self._reading)
        self.subscription.consumers.append(consumer)
        await consumer.start(config.connect_timeout)
