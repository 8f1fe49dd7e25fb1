"""What core asks this distribution; imported for every ``acme:`` URL, so it imports nothing heavy by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core import hookimpl

if TYPE_CHECKING:
    from acme_transport.transport import AcmeSocketProvider
    from spa_core import TransportConfig, Url


@hookimpl
def spa_socket_provider(url: Url) -> AcmeSocketProvider | None:
    """Make the provider for an ``acme:`` URL."""
    from acme_transport.config import AcmeConfig  # noqa: PLC0415 - only when it is asked
    from acme_transport.transport import AcmeSocketProvider  # noqa: PLC0415

    return AcmeSocketProvider(AcmeConfig.from_url(url)) if url.scheme == "acme" else None


@hookimpl
def spa_socket_provider_for_config(config: TransportConfig) -> AcmeSocketProvider | None:
    """Make the provider for an ``AcmeConfig``."""
    from acme_transport.config import AcmeConfig  # noqa: PLC0415 - only when it is asked
    from acme_transport.transport import AcmeSocketProvider  # noqa: PLC0415

    return AcmeSocketProvider(config) if isinstance(config, AcmeConfig) else None
