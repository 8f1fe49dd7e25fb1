"""The subscription to the replies to one socket: on a topic that is made for them, and deleted at the end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from spa_core.errors import TransportError
from spa_kafka.client import DeniedError
from spa_kafka.consumer import Reading
from spa_kafka.everything import EverythingConsumer
from spa_kafka.listening import Listening
from spa_kafka.replies import is_own_topic, reply_address, shared_topic
from spa_kafka.subscription import KafkaSubscription

if TYPE_CHECKING:
    from spa_core.message import SpaMessage
    from spa_kafka.client import Record

__all__ = ["RepliesListening"]

logger = logging.getLogger("spa_kafka")


class RepliesListening(Listening):
    """Listens to the replies to one socket."""

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
        return self.message_of(reply_address(record.topic, dict(record.headers)), record)
