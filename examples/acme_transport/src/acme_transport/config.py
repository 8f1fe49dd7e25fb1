"""What can be set on the transport, and how an ``acme:`` URL says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

import msgspec

from spa_core.config import Seconds, TransportConfig, config_from_url
from spa_core.errors import UrlError

if TYPE_CHECKING:
    from spa_core import Url


class AcmeConfig(TransportConfig, frozen=True):
    """
    Where the broker is, and how patient to be with it.

    Attributes:
        host: The broker's host.
        port: The broker's port.
        timeout: How many seconds the broker is given to connect, to answer and to say goodbye.
        reconnect_delay: How many seconds to wait before each attempt to restore a lost connection.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 7171
    timeout: Seconds = 5.0
    reconnect_delay: Seconds = 0.1

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Make a configuration of ``acme://host:port?parameter=value``."""
        if url.username is not None or url.password is not None or url.path.strip("/") or len(url.hosts) > 1:
            text = "the acme URL has a user, a path or several hosts, but it holds only a host, a port and parameters"
            raise UrlError(text, url=str(url), hint="Write acme://host:port, as in acme://127.0.0.1:7171?timeout=2s")
        where = {name: value for host in url.hosts for name, value in (("host", host.name), ("port", host.port))}
        return config_from_url(cls, url, fixed={name: value for name, value in where.items() if value is not None})
