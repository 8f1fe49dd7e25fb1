"""What stands in for a socket provider that is given later, so that handlers can be registered and checked before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from spa_core._messaging.provider import SocketProvider
from spa_core.config import TransportConfig
from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from spa_core.transport import ConnectionListener


class Unprovided(SocketProvider[TransportConfig]):
    """
    No provider yet: declares nothing and opens nothing.

    Raises:
        ConfigurationError: On every use but those of a registration.
    """

    def __init__(self) -> None:
        super().__init__(TransportConfig())

    @property
    def capabilities(self) -> NoReturn:
        """Nobody knows yet."""
        raise no_provider()

    def open(self, on_connection: ConnectionListener) -> NoReturn:  # noqa: ARG002 - there is nothing to open
        """Refuse."""
        raise no_provider()


def no_provider() -> ConfigurationError:
    """Return the error for a start without a provider."""
    message = "no socket provider: neither the application nor this part of it has one"
    hint = 'Give one, for example DistributedApplication("memory://"), or run it with: spa run --url URL'
    return ConfigurationError(message, hint=hint)
