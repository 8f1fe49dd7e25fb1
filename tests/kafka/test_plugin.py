"""How core finds the Kafka transport, and what that costs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import spa_kafka
from spa_core import PayloadFormat, SocketConfig, SocketProviderFactory
from spa_core._discovery.schemes import KNOWN_TRANSPORTS
from spa_core.config import TransportConfig
from spa_core.errors import ParameterError, UnknownSchemeError
from spa_core.url import Url
from spa_kafka import KafkaConfig, KafkaSocketProvider, plugin
from spa_kafka.address import SCHEMES
from spa_kafka.envelope import KafkaEnvelope


def test_every_scheme_is_declared() -> None:
    """Each scheme that can be read has an entry point, and core knows what to install for it."""
    declared = {entry.name for entry in entry_points(group="spa_core.transports") if entry.module == "spa_kafka.plugin"}

    assert declared == set(SCHEMES)
    assert declared == {scheme for scheme, distribution in KNOWN_TRANSPORTS.items() if distribution == "spa-kafka"}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_found_by_url(scheme: str) -> None:
    """Core finds the transport by each of its schemes, with several brokers."""
    provider = SocketProviderFactory.from_url(f"{scheme}://b1:9093,b2/?group=g")

    assert isinstance(provider, KafkaSocketProvider)
    assert provider.config == KafkaConfig("b1:9093,b2:9092", group="g", tls=scheme == "kafka+ssl")


def test_found_by_config() -> None:
    """Core finds the transport by the type of its configuration, in the origin's way too."""
    config = KafkaConfig(bootstrap_servers="broker", group_id="g")
    plain = SocketProviderFactory.from_config(config)
    wrapped = SocketProviderFactory.from_config(SocketConfig(payload_format=PayloadFormat.JSON, socket_config=config))

    assert isinstance(plain, KafkaSocketProvider)
    assert isinstance(wrapped, KafkaSocketProvider)
    assert (plain.config, plain.envelope, wrapped.config) == (config, None, config)
    assert isinstance(wrapped.envelope, KafkaEnvelope)


def test_it_serves_its_own_only() -> None:
    """The plugin leaves other schemes and configurations to others."""
    assert plugin.spa_socket_provider(Url.parse("memory://x")) is None
    assert plugin.spa_socket_provider_for_config(TransportConfig()) is None


def test_a_misspelt_scheme() -> None:
    """A scheme that is nearly one of ours is told which."""
    with pytest.raises(UnknownSchemeError) as caught:
        SocketProviderFactory.from_url("kafka+tls://broker")

    assert caught.value.hint == "Did you mean 'kafka+ssl'?"


def test_changes_make_new_providers() -> None:
    """A provider is never changed, and a change that cannot be meant is refused."""
    provider = KafkaSocketProvider(KafkaConfig("broker"))
    changed = provider.overwrite_config(commit_interval="250ms", topics="plants/#")
    with pytest.raises(ParameterError, match="tls_ca"):
        provider.overwrite_config(tls_ca="ca.pem")

    assert provider.config == KafkaConfig("broker")
    assert changed.config == KafkaConfig("broker", commit_interval=0.25, default_subscription_topics=("plants/#",))


def test_the_face() -> None:
    """The package gives the three names that the origin had, and the header of tombstones."""
    assert spa_kafka.__all__ == ["TOMBSTONE", "KafkaConfig", "KafkaSocket", "KafkaSocketProvider"]
    assert all(hasattr(spa_kafka, name) for name in spa_kafka.__all__)
    assert not hasattr(spa_kafka, "KafkaSockte")


def test_finding_it_loads_no_client() -> None:
    """Until a provider is made, neither the broker's client nor the transport is loaded."""
    program = "import sys; import spa_kafka.plugin as plugin; print(*sys.modules)"
    # Coverage would load modules of its own into the interpreter it measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()

    assert "spa_kafka.plugin" in loaded
    assert {"aiokafka", "spa_kafka.transport", "spa_kafka.config", "ssl"}.isdisjoint(loaded)
