"""The subscription to the replies to one socket: on a topic that is made for them, and deleted at the end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from spa_core.errors import TransportError
from spa_kafka.client import DeniedError
from spa_kafka.everything import EverythingConsumer
from spa_kafka.listening import Listening
from spa_kafka.reading import Reading
from spa_kafka.replies import is_own_topic, names_from, reply_address, shared_topic
from spa_kafka.subscription import KafkaSubscription

if TYPE_CHECKING:
    from collections.abc import Collection

    from spa_core.message import SpaMessage
    from spa_core.transport import SubscriptionSpec
    from spa_kafka.assignment import Place
    from spa_kafka.client import ConsumerLink, Record
    from spa_kafka.listening import Means

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

    def __init__(self, spec: SubscriptionSpec, means: Means) -> None:
        super().__init__(spec, means)
        self._made: set[str] = set()
        self._asked: dict[str, float] = {}
        self._preparing: asyncio.Task[None] | None = None

    async def _open(self) -> None:
        config, cluster, _, connect = self._means
        self.subscription = KafkaSubscription(self._spec.prefetch)
        shared = shared_topic(self._spec.topics[0])
        if shared is None:
            raise DeniedError(f"{self._spec.topics[0]} is no address of replies")
        self._shared = shared
        reading = Reading(self._mine, self._reply)
        consumer = _RepliesConsumer(config, cluster, lambda: connect(None), self.subscription, reading)
        self.subscription.consumers.append(consumer)
        await self._make(shared)
        await consumer.start(config.connect_timeout)

    async def expect(self, name: str) -> None:
        """Make sure that the topic for one reply exists before anybody answers there."""
        self._asked[name] = asyncio.get_running_loop().time()
        if name in self._cluster.topics:
            return
        await self._make(name)
        if self._preparing is None or self._preparing.done():
            # Not waited for: a request that was just cancelled, or has little time, is not to pay for others.
            self._preparing = asyncio.create_task(self._prepare(names_from(name, _AHEAD)))

    async def _prepare(self, names: list[str]) -> None:
        """Make the topics for the next replies, and delete those of replies that the broker has given up by now."""
        now = asyncio.get_running_loop().time()
        try:
            await asyncio.gather(*(self._make(name) for name in names if name not in self._cluster.topics))
            await self._delete_before(now - self._config.reply_retention)
        except TransportError as error:
            logger.info("the topics for the next replies are not ready: %s", error)

    async def _delete_before(self, then: float) -> None:
        old = [name for name, asked in self._asked.items() if asked < then]
        for name in old:
            del self._asked[name]
        await self._delete(old)

    async def _delete(self, names: Collection[str]) -> None:
        await asyncio.gather(*(self._cluster.delete(name) for name in names))
        self._made.difference_update(names)

    async def _make(self, name: str) -> None:
        self._made.add(name)  # before it is: who is cancelled has made it all the same
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
                if self._preparing is not None:
                    await self._preparing  # what is being made would outlive us
                await self._delete(tuple(self._made))
        except (TransportError, TimeoutError) as error:
            logger.info("the topics for replies were not deleted: %s", error)

    def _mine(self) -> list[str]:
        return [name for name in self._cluster.topics if self.owns(name)]

    def _reply(self, record: Record) -> SpaMessage | None:
        return self.message_of(reply_address(record.topic, dict(record.headers)), record)
