"""The subscription to the replies to one socket: on a topic that is made for them, and deleted at the end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from spa_core.errors import TransportError
from spa_kafka.client import DeniedError
from spa_kafka.consumer import Reading
from spa_kafka.everything import EverythingConsumer
from spa_kafka.listening import Listening
from spa_kafka.replies import is_own_topic, names_from, reply_address, shared_topic
from spa_kafka.subscription import KafkaSubscription

if TYPE_CHECKING:
    from spa_core.message import SpaMessage
    from spa_kafka.assignment import Place
    from spa_kafka.client import ConsumerLink, Record

__all__ = ["RepliesListening"]

_AHEAD: Final = 16
"""So many topics for one reply are made at a time: new ones take long to be known everywhere."""

logger = logging.getLogger("spa_kafka")


class _RepliesConsumer(EverythingConsumer):
    """Fetches all partitions of the socket's own topics."""

    async def _beginnings(self, link: ConsumerLink, places: list[Place]) -> dict[Place, int]:  # noqa: ARG002 - not asked
        # They were empty when this socket made them; to ask takes half a second for each.
        return dict.fromkeys(places, 0)


class RepliesListening(Listening):
    """Listens to the replies to one socket."""

    async def _open(self) -> None:
        config, cluster, _, connect = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch)
        shared = shared_topic(self._spec.topics[0])
        if shared is None:
            raise DeniedError(f"{self._spec.topics[0]} is no address of replies")
        self._shared = shared
        self._asked: dict[str, float] = {}
        reading = Reading(self._mine, self._reply)
        consumer = _RepliesConsumer(config, cluster, lambda: connect(None), self.subscription, reading)
        self.subscription.consumers.append(consumer)
        await self._make(shared)
        await consumer.start(config.connect_timeout)

    async def expect(self, name: str) -> None:
        """Make sure that the topic for one reply exists before anybody answers there."""
        now = asyncio.get_running_loop().time()
        self._asked[name] = now
        if name not in self._cluster.topics:
            await asyncio.gather(*(self._make(each) for each in names_from(name, _AHEAD)))
            await self._delete_before(now - self._config.reply_retention)

    async def _delete_before(self, then: float) -> None:
        """Delete the topics of replies that the broker has given up by now; the others go when this ends."""
        old = [name for name, asked in self._asked.items() if asked < then]
        for name in old:
            del self._asked[name]
        await asyncio.gather(*(self._cluster.delete(name) for name in old))

    async def _make(self, name: str) -> None:
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
