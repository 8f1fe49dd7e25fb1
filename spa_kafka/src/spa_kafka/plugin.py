"""What core asks this distribution: a provider for a URL or for a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from spa_core.config import TransportConfig
    from spa_core.url import Url
    from spa_kafka.transport import KafkaSocketProvider

__all__ = ["spa_socket_provider", "spa_socket_provider_for_config"]


@hookimpl
def spa_socket_provider(url: Url) -> KafkaSocketProvider | None:
    """Make the provider for a ``kafka:`` or ``kafka+ssl:`` URL."""
    from spa_kafka.address import SCHEMES  # noqa: PLC0415 - a plugin is light until it is asked

    if url.scheme not in SCHEMES:
        return None
    from spa_kafka.config import KafkaConfig  # noqa: PLC0415
    from spa_kafka.transport import KafkaSocketProvider  # noqa: PLC0415

    return KafkaSocketProvider(KafkaConfig.from_url(url))


@hookimpl
def spa_socket_provider_for_config(config: TransportConfig) -> KafkaSocketProvider | None:
    """Make the provider for a ``KafkaConfig``."""
    from spa_kafka.config import KafkaConfig  # noqa: PLC0415 - a plugin is light until it is asked
    from spa_kafka.transport import KafkaSocketProvider  # noqa: PLC0415

    return KafkaSocketProvider(config) if isinstance(config, KafkaConfig) else None
