"""
The connections that one producer sends over: one at a time, and a new one where the broker knows the old one no more.

A batch that is refused leaves a gap in the numbers that make sending idempotent, so its connection sends nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spa_core.errors import AuthenticationError, TransportError
from spa_kafka.client import ProducerLink

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from spa_kafka.config import KafkaConfig

__all__ = ["Links"]

logger = logging.getLogger("spa_kafka")


class Links:
    """
    The driver's producers of one socket.

    Args:
        config: The configuration.
        arguments: Of the driver's producer.
    """

    def __init__(self, config: KafkaConfig, arguments: Mapping[str, Any]) -> None:
        self._config = config
        self._arguments = arguments
        self._idempotent = config.idempotence != "off" and config.acks == "all"
        self._link: ProducerLink | None = None
        self._opening = asyncio.Lock()
        self._in_use: dict[ProducerLink, int] = {}
        self._retired: set[ProducerLink] = set()
        self._stopping: set[asyncio.Task[None]] = set()

    async def open(self) -> ProducerLink:
        """
        Return the connection to send over, made if there is none.

        Raises:
            TransportError: None can be made.
        """
        link = self._link
        if link is not None and link.alive:
            return link
        async with self._opening:
            if self._link is not None and not self._link.alive:
                self.retire(self._link)
            if self._link is None:
                self._link = await self._make()
            return self._link

    @contextmanager
    def using(self, link: ProducerLink) -> Generator[None]:
        """Keep a connection from being stopped while a batch is under way on it."""
        self._in_use[link] = self._in_use.get(link, 0) + 1
        try:
            yield
        finally:
            self._in_use[link] -= 1
            if not self._in_use[link]:
                del self._in_use[link]
                self._stop_if_done(link)

    def retire(self, link: ProducerLink) -> None:
        """Send nothing more over a connection; it is stopped when nothing is under way on it."""
        if link is self._link:
            self._link = None
            self._retired.add(link)
            self._stop_if_done(link)

    def forget(self, topic: str) -> None:
        """Ask for a topic no more that is gone."""
        if self._link is not None:
            self._link.forget(topic)

    async def close(self) -> None:
        """Stop every connection."""
        links = [*self._retired, *([] if self._link is None else [self._link])]
        self._link = None
        self._retired.clear()
        for link in links:
            await link.stop()
        if self._stopping:
            await asyncio.wait(self._stopping)

    def _stop_if_done(self, link: ProducerLink) -> None:
        if link in self._retired and link not in self._in_use:
            self._retired.discard(link)
            task = asyncio.create_task(link.stop(), name="spa-kafka producer stopping")
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def _make(self) -> ProducerLink:
        if not self._idempotent:
            return await self._started(idempotent=False)
        try:
            return await self._started(idempotent=True)
        except AuthenticationError:
            raise
        except TransportError as refusal:
            if self._config.idempotence == "on":
                raise
            link = await self._started(idempotent=False)
            logger.info("the broker makes no idempotent producer, so a message can be written twice: %s", refusal)
            self._idempotent = False
            return link

    async def _started(self, *, idempotent: bool) -> ProducerLink:
        link = ProducerLink(self._arguments, idempotent=idempotent)
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                await link.start()
        except BaseException:
            await link.stop()
            raise
        return link
