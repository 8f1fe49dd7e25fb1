"""
The way to the cluster that one socket has: whether it is there, and which topics are; knows no records.

A loss is told once, with its reason; so is what follows. Topics are looked at together for all that want to know.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from spa_core.errors import ConnectError, DisconnectedError, TransportError
from spa_core.transport import Backoff, ConnectionEvent
from spa_kafka.client import AdminLink, DeniedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spa_core.transport import ConnectionListener
    from spa_kafka.config import KafkaConfig

__all__ = ["Cluster"]

logger = logging.getLogger("spa_kafka")

_BROKERS: Final = -1
"""The number that leaves it to the broker."""

_LAG: Final = 2.0
"""Seconds that a broker may not know of a topic that was made over another one."""

_MADE: Final = 0.02
"""Seconds between looks for a topic that was just made: brokers know it before they show it."""


_BREATH: Final = 1.0
"""Seconds that an attempt to connect again waits at least, where it may wait longer, whoever gets an answer."""


class Cluster:
    """
    A connection that looks after itself, and the topics seen over it.

    Args:
        config: The configuration.
        arguments: Of the driver's clients.
        on_connection: Told of every change.

    Attributes:
        topics: The topics seen last, by their name at the broker, with the number of their partitions.
        watchers: Called when the topics have changed, or could have.
    """

    def __init__(self, config: KafkaConfig, arguments: Mapping[str, Any], on_connection: ConnectionListener) -> None:
        self.topics: dict[str, int] = {}
        self.watchers: set[Callable[[], None]] = set()
        self._config = config
        self._tell = on_connection
        self._link = AdminLink(arguments, self._broken)
        self._lost = asyncio.Event()
        self._seen = asyncio.Event()
        self._reason = ""
        self._open = False
        self._watching: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._recent: dict[str, tuple[int, float]] = {}
        self._making: dict[str, asyncio.Task[int]] = {}

    async def open(self) -> None:
        """
        Connect.

        Raises:
            AuthenticationError: The broker refused the credentials.
            ConnectError: Not connected within the ``connect_timeout``.
        """
        await self._connect()
        self._open = True
        self._lost.clear()
        self._tell(ConnectionEvent(state="connected"))
        self._watching = asyncio.create_task(self._watch(), name="spa-kafka cluster")

    async def _connect(self) -> None:
        backoff, seconds = Backoff(0.05, 1.0), self._config.connect_timeout
        last: TransportError | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await self._link.start()
                    except ConnectError as error:
                        if not error.retriable:
                            raise
                        last = error
                    await asyncio.sleep(backoff.pause())
        except TimeoutError as error:
            if last is not None:
                raise last from last.__cause__
            raise ConnectError(f"no connection to the cluster within {seconds:g} s") from error

    async def close(self) -> None:
        """Disconnect, whether or not :meth:`open` succeeded."""
        was_open, self._open = self._open, False
        tasks = {*self._making.values(), *([] if self._watching is None else [self._watching])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._link.stop()
        if was_open:
            self._tell(ConnectionEvent(state="closed"))

    async def check(self) -> None:
        """
        Prove that a broker answers.

        Raises:
            TransportError: None does.
        """
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                await self._link.ping()
        except TimeoutError as error:
            raise ConnectError(f"no broker answered within {self._config.connect_timeout:g} s") from error

    async def look(self) -> Mapping[str, int]:
        """
        Look at the topics again, and call the watchers if they have changed.

        Raises:
            TransportError: No broker answers.
        """
        async with self._looking:
            topics, unusable = await self._link.topics()
            if self.topics.keys() - topics.keys():
                # Gone is what two brokers miss, or one asked twice: consumers give up what they have of it.
                again, unusable = await self._link.topics()
                topics |= again
        # One that cannot be used yet would keep consumers from all others; one that was there stays.
        topics = {name: count for name, count in topics.items() if name not in unusable or name in self.topics}
        # What was made just now may be missing in a list that was begun before, or by a broker that lags behind.
        now = asyncio.get_running_loop().time()
        self._recent = {topic: made for topic, made in self._recent.items() if made[1] > now - _LAG}
        topics = {topic: partitions for topic, (partitions, _) in self._recent.items()} | topics
        self._found(topics)
        return topics

    async def declare(self, topic: str) -> int:
        """
        Make sure that a topic exists, as the configuration allows; return the number of its partitions.

        Raises:
            DeniedError: It does not exist and is not to be made, or the broker refuses to.
            TransportError: No broker answers.
        """
        known = self.topics.get(topic)
        if known is None and self._config.declare_topics == "ensure":
            try:
                return await self.make(topic, partitions=self._config.partitions)
            except DeniedError:
                # Who may not make topics may use those that there are.
                known = (await self.look()).get(topic)
                if known is None:
                    raise
        if known is None:
            known = (await self.look()).get(topic)
        if known is None:
            text = f"topic {topic} does not exist, and declare_topics={self._config.declare_topics} makes none"
            raise DeniedError(text)
        return known

    async def make(self, topic: str, *, partitions: int | None, **configs: str) -> int:
        """
        Make a topic, unless it exists; return the number of its partitions once it can be used.

        Args:
            topic: Its name at the broker.
            partitions: How many; ``None`` leaves it to the broker.
            **configs: Its configuration, with underscores for dots.

        Raises:
            DeniedError: The broker refuses.
            TransportError: No broker answers.
        """
        making = self._making.get(topic)
        if making is None:
            # One for all that ask at the same time, and not to be cancelled with the first of them.
            making = self._making[topic] = asyncio.create_task(self._make(topic, partitions, configs))
            making.add_done_callback(functools.partial(self._made, topic))
        return await asyncio.shield(making)

    def noticed(self, topic: str, partitions: int) -> None:
        """Hear that a topic exists, from whoever made it or found it."""
        self._recent[topic] = partitions, asyncio.get_running_loop().time()
        self._found({**self.topics, topic: partitions})

    async def _make(self, topic: str, partitions: int | None, configs: Mapping[str, str]) -> int:
        config = self._config
        named = {name.replace("_", "."): value for name, value in configs.items()}
        wanted, copies = partitions or _BROKERS, config.replication or _BROKERS
        try:
            async with asyncio.timeout(config.connect_timeout):
                await self._link.create(topic, partitions=wanted, replication=copies, configs=named)
                while not (made := await self._link.partitions(topic)):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(_MADE)
        except TimeoutError as error:
            raise DisconnectedError(f"topic {topic} was not made within {config.connect_timeout:g} s") from error
        self.noticed(topic, made)
        return made

    def _made(self, topic: str, making: asyncio.Task[int]) -> None:
        del self._making[topic]
        if not making.cancelled():
            making.exception()  # whoever asked may have gone

    def _found(self, topics: dict[str, int]) -> None:
        if topics != self.topics:
            self.topics = topics
            for watcher in tuple(self.watchers):
                watcher()

    async def delete(self, topic: str) -> None:
        """
        Delete a topic that this process has made.

        Raises:
            TransportError: No broker answers, or it refuses.
        """
        making = self._making.get(topic)
        if making is not None:
            await asyncio.wait({making})  # or else it would wait in vain for what is gone again
        await self._link.delete(topic)
        self._recent.pop(topic, None)
        self.topics.pop(topic, None)

    def _broken(self, reason: str) -> None:
        if not self._lost.is_set():
            self._reason = reason
            self._lost.set()

    async def _watch(self) -> None:
        while True:
            try:
                await self._watch_once()
            except Exception:
                # Whatever it was, a socket that watches no more would never hear of topics or losses again.
                logger.exception("watching the cluster was interrupted and goes on")
                await asyncio.sleep(self._config.discover_interval)

    async def _watch_once(self) -> None:
        try:
            async with asyncio.timeout(self._config.discover_interval):
                await self._lost.wait()
        except TimeoutError:
            await self._look_around()
        if self._lost.is_set():
            await self._restore()

    async def _look_around(self) -> None:
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                await (self.look() if self.watchers else self._link.ping())
        except (TransportError, TimeoutError) as error:
            self._broken(str(error) or "no broker answers")

    def proved(self) -> None:
        """Hear that a broker has answered somebody else, so that there is no reason to wait any longer."""
        if self._lost.is_set():
            self._seen.set()

    async def _wait_for_a_sign(self, seconds: float) -> None:
        self._seen.clear()
        await asyncio.sleep(min(seconds, _BREATH))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - _BREATH):
                await self._seen.wait()

    async def _restore(self) -> None:
        self._tell(ConnectionEvent(state="disconnected", reason=self._reason))
        logger.warning("lost the cluster: %s; connecting again", self._reason)
        backoff = Backoff(self._config.reconnect_min, self._config.reconnect_max)
        while True:
            await self._wait_for_a_sign(backoff.pause())
            try:
                async with asyncio.timeout(self._config.connect_timeout):
                    await self._link.restart()
            except (TransportError, TimeoutError):
                continue
            break
        self._lost.clear()
        self._tell(ConnectionEvent(state="connected"))
        logger.info("connected to the cluster again")
        for watcher in tuple(self.watchers):
            watcher()
