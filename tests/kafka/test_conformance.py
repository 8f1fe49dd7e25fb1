"""The Kafka transport under the conformance suite: Apache Kafka 4.4.0 behind a fault proxy."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import anyio.to_thread
import pytest
from brokers.kafka import PASSWORD, USER
from brokers.process import LOOPBACK, free_port

from spa_core.testing.proxy import FaultProxy
from spa_core.testing.runner import run_scenario
from spa_core.testing.suite import TransportSuite
from spa_kafka import KafkaConfig, KafkaSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from brokers.kafka import KafkaBroker

    from spa_core import SocketProvider


class TestKafka(TransportSuite):
    """The guarantees at a broker of our own."""

    url = "kafka://localhost"
    subject = "kafka://kafka-4.4.0"
    timeout_multiplier = 2.0  # a broker takes seconds to start again, and a killed member is missed after seconds

    options: ClassVar[dict[str, Any]] = {
        "discover_interval": 1.0,
        "drain_timeout": 1.0,
        "reconnect_max": 0.5,
        "session_timeout": 6.0,
    }

    broker: KafkaBroker
    proxy: FaultProxy

    @pytest.fixture(autouse=True)
    async def network(self, suite_broker: KafkaBroker) -> AsyncIterator[None]:
        """Put a new proxy before the broker, where that tells its clients to come."""
        self.broker = suite_broker
        port = int(suite_broker.proxied.rpartition(":")[2])
        async with FaultProxy(LOOPBACK, port, listen=suite_broker.proxy_port) as self.proxy:
            yield

    def make_provider(self) -> SocketProvider[KafkaConfig]:
        """Make a provider that comes through the proxy."""
        return self.provider_for(f"{LOOPBACK}:{self.proxy.port}")

    def provider_for(self, address: str, **fields: Any) -> SocketProvider[KafkaConfig]:
        """Make a provider that does not wait for long."""
        return KafkaSocketProvider(KafkaConfig(address, **self.options, **fields))

    def make_unreachable_provider(self) -> SocketProvider[KafkaConfig]:
        """Make a provider for a port where nothing listens."""
        return self.provider_for(f"{LOOPBACK}:{free_port()}", connect_timeout=0.5)

    def make_refused_provider(self) -> SocketProvider[KafkaConfig]:
        """Make a provider with a password that is wrong."""
        return self.provider_for(self.broker.sasl, username=USER, password=PASSWORD[:-1])

    async def restart_broker(self) -> None:
        """Restart it, with all it stores."""
        await anyio.to_thread.run_sync(self.broker.restart)

    @asynccontextmanager
    async def cut_network(self) -> AsyncIterator[None]:
        """Reset all connections, and refuse new ones."""
        await self.proxy.refuse()
        await self.proxy.cut()
        try:
            yield
        finally:
            self.proxy.accept()


class LoggedIn(TransportSuite):
    """The suite with a password, for what is said of secrets; everything else is proved without."""

    __test__ = False

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker

    def make_provider(self) -> SocketProvider[KafkaConfig]:
        """Make a provider that logs in."""
        return KafkaSocketProvider(KafkaConfig(self.broker.sasl, username=USER, password=PASSWORD))


def test_secrets_are_never_shown(kafka_broker: KafkaBroker) -> None:
    """A whole run with a password shows it nowhere, not in what the driver logs for those who debug either."""
    assert run_scenario(LoggedIn(kafka_broker), "test_secrets_are_never_shown") is None


@pytest.mark.skipif("SPA_TEST_KAFKA" not in os.environ, reason="SPA_TEST_KAFKA=host:port gives no broker of your own")
class TestYourOwn(TransportSuite):
    """The guarantees at the broker that SPA_TEST_KAFKA gives the address of."""

    url = "kafka://localhost"

    def make_provider(self) -> SocketProvider[KafkaConfig]:
        """Make a provider for it."""
        return KafkaSocketProvider(KafkaConfig(os.environ["SPA_TEST_KAFKA"]))
