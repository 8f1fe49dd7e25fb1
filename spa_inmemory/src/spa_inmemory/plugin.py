"""What core asks this distribution: a provider for a URL or for a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from spa_core.config import TransportConfig
    from spa_core.url import Url
    from spa_inmemory.transport import MemorySocketProvider

__all__ = ["SCHEME", "spa_socket_provider", "spa_socket_provider_for_config"]

SCHEME = "memory"
"""The URL scheme served here."""


@hookimpl
def spa_socket_provider(url: Url) -> MemorySocketProvider | None:
    """Make the provider for a ``memory:`` URL."""
    from spa_inmemory.config import MemoryConfig  # noqa: PLC0415 - a plugin is light until it is asked
    from spa_inmemory.transport import MemorySocketProvider  # noqa: PLC0415

    return MemorySocketProvider(MemoryConfig.from_url(url)) if url.scheme == SCHEME else None


@hookimpl
def spa_socket_provider_for_config(config: TransportConfig) -> MemorySocketProvider | None:
    """Make the provider for a ``MemoryConfig``."""
    from spa_inmemory.config import MemoryConfig  # noqa: PLC0415 - a plugin is light until it is asked
    from spa_inmemory.transport import MemorySocketProvider  # noqa: PLC0415

    return MemorySocketProvider(config) if isinstance(config, MemoryConfig) else None
