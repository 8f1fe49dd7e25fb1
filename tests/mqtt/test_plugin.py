"""How core finds the MQTT transport, and what that costs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import spa_mqtt
from spa_core import PayloadFormat, SocketConfig, SocketProviderFactory
from spa_core._discovery.schemes import KNOWN_TRANSPORTS
from spa_core.config import TransportConfig
from spa_core.errors import ParameterError, UnknownSchemeError
from spa_core.url import Url
from spa_mqtt import MqttConfig, MqttSocketProvider, plugin
from spa_mqtt.address import SCHEMES


def test_every_scheme_is_declared() -> None:
    """Each scheme that can be read has an entry point, and core knows what to install for it."""
    declared = {entry.name for entry in entry_points(group="spa_core.transports") if entry.module == "spa_mqtt.plugin"}

    assert declared == set(SCHEMES)
    assert declared == {scheme for scheme, distribution in KNOWN_TRANSPORTS.items() if distribution == "spa-mqtt"}


@pytest.mark.parametrize(("scheme", "way"), SCHEMES.items())
def test_found_by_url(scheme: str, way: str) -> None:
    """Core finds the transport by each of its schemes."""
    address = f"{scheme}:///run/socket" if scheme == "mqtt+unix" else f"{scheme}://broker"
    provider = SocketProviderFactory.from_url(f"{address}?prefetch=7")

    assert isinstance(provider, MqttSocketProvider)
    assert (provider.config.scheme, provider.config.prefetch) == (way, 7)


def test_found_by_config() -> None:
    """Core finds the transport by the type of its configuration, in the origin's way too."""
    config = MqttConfig("broker", 1884)
    plain = SocketProviderFactory.from_config(config)
    wrapped = SocketProviderFactory.from_config(SocketConfig(payload_format=PayloadFormat.JSON, socket_config=config))

    assert isinstance(plain, MqttSocketProvider)
    assert isinstance(wrapped, MqttSocketProvider)
    assert (plain.config, plain.envelope, wrapped.config) == (config, None, config)
    assert wrapped.envelope is not None


def test_it_serves_its_own_only() -> None:
    """The plugin leaves other schemes and configurations to others."""
    assert plugin.spa_socket_provider(Url.parse("memory://x")) is None
    assert plugin.spa_socket_provider_for_config(TransportConfig()) is None


def test_a_misspelt_scheme() -> None:
    """A scheme that is nearly one of ours is told which."""
    with pytest.raises(UnknownSchemeError) as caught:
        SocketProviderFactory.from_url("mqqts://broker")

    assert caught.value.hint == "Did you mean 'mqtts'?"


def test_changes_make_new_providers() -> None:
    """A provider is never changed, and a change that cannot be meant is refused."""
    provider = MqttSocketProvider(MqttConfig("broker"))
    changed = provider.overwrite_config(keepalive="1m", topics="plants/#")
    with pytest.raises(ParameterError, match="tls_ca"):
        provider.overwrite_config(tls_ca="ca.pem")

    assert provider.config == MqttConfig("broker")
    assert changed.config == MqttConfig("broker", keepalive=60, default_subscription_topics=("plants/#",))


def test_replies_come_back_where_the_configuration_says() -> None:
    """The topics of replies begin as configured, in a changed provider too."""
    provider = MqttSocketProvider(MqttConfig("broker"))
    changed = provider.overwrite_config(response_prefix="plants/replies")

    assert (provider.reply_prefix, changed.reply_prefix) == ("spa/reply", "plants/replies")


def test_the_face() -> None:
    """The package gives the three names that the origin had."""
    assert spa_mqtt.__all__ == ["MqttConfig", "MqttSocket", "MqttSocketProvider"]


def test_finding_it_loads_no_client() -> None:
    """Until a provider is made, neither the broker's client nor the transport is loaded."""
    program = "import sys; import spa_mqtt.plugin as plugin; print(*sys.modules)"
    # Coverage would load modules of its own into the interpreter it measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()

    assert "spa_mqtt.plugin" in loaded
    assert {"aiomqtt", "paho", "spa_mqtt.transport", "spa_mqtt.config", "ssl"}.isdisjoint(loaded)
