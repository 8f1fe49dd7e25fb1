"""The suite asks of a transport what it declares and no more: it holds for transports that can do little."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

from modest import ModestProvider

from spa_core.testing.suite import TransportSuite
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from spa_core import SocketProvider

_numbers = itertools.count()


class Suite(TransportSuite):
    """The suite for what can be declared."""

    __test__ = False
    capabilities: ClassVar[Capabilities]
    topics: ClassVar[set[str]] = set()

    def create_topic(self, topic: str) -> None:
        """Make a topic."""
        self.topics.add(topic)

    def make_provider(self) -> SocketProvider[Any]:
        """Make a provider that can do so much, whose topics are those of the suite."""
        provider = ModestProvider(f"modest-{next(_numbers)}", self.capabilities)
        provider.topics = self.topics
        return provider


class TestRadio(Suite):
    """Who listens hears, and that is all."""

    __test__ = True
    capabilities = Capabilities(auto_create=True, fanout=True, prefetch=True, restartable=True)


class TestSessions(Suite):
    """As MQTT 3.1.1 has it: wildcards, sessions that last, and no place for anything but the payload."""

    __test__ = True
    capabilities = Capabilities(
        retain=True,
        unicode_topics=True,
        confirms="broker",
        auto_create=True,
        wildcards="mqtt",
        groups=True,
        fanout=True,
        durable=True,
        ordering="single",
        ack="cumulative",
        prefetch=True,
        reply=True,
        restartable=True,
        health=True,
    )


class TestLog(Suite):
    """As Kafka can be: headers, keys and order; neither wildcards nor a time to live; topics that must be made."""

    __test__ = True
    capabilities = Capabilities(
        headers=True,
        key=True,
        timestamp=True,
        max_payload=1_000_000,
        confirms="broker",
        batch_publish=True,
        groups=True,
        fanout=True,
        durable=True,
        ordering="key",
        ack="cumulative",
        retry="seek",
        attempts=True,
        prefetch=True,
        reply=True,
        restartable=True,
        health=True,
    )


class TestWorkQueue(Suite):
    """Groups that share messages, and nobody who gets them all."""

    __test__ = True
    capabilities = Capabilities(
        headers=True,
        auto_create=True,
        groups=True,
        durable=True,
        ack="individual",
        retry="native",
        reply=True,
        restartable=True,
    )
