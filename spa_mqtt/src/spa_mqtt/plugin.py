"""What core asks this distribution: a provider for a URL or for a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from spa_core.config import TransportConfig
    from spa_core.url import Url
    from spa_mqtt.transport import MqttSocketProvider

__all__ = ["spa_socket_provider", "spa_socket_provider_for_config"]


@hookimpl
def spa_socket_provider(url: Url) -> MqttSocketProvider | None:
    """Make the provider for a URL of one of MQTT's schemes."""
    from spa_mqtt.address import SCHEMES  # noqa: PLC0415 - a plugin is light until it is asked

    if url.scheme not in SCHEMES:
        return None
    from spa_mqtt.config import MqttConfig  # noqa: PLC0415
    from spa_mqtt.transport import MqttSocketProvider  # noqa: PLC0415

    return MqttSocketProvider(MqttConfig.from_url(url))


@hookimpl
def spa_socket_provider_for_config(config: TransportConfig) -> MqttSocketProvider | None:
    """Make the provider for an ``MqttConfig``."""
    from spa_mqtt.config import MqttConfig  # noqa: PLC0415 - a plugin is light until it is asked
    from spa_mqtt.transport import MqttSocketProvider  # noqa: PLC0415

    return MqttSocketProvider(config) if isinstance(config, MqttConfig) else None
