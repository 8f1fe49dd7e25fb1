"""Where brokers are: the schemes, their port, and what a URL says before its query; opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core.errors import UrlError
from spa_core.url import Host, Url

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PLAIN_SCHEME", "SCHEMES", "TLS_SCHEME", "address_fields", "broker_addresses"]

PLAIN_SCHEME: Final = "kafka"
TLS_SCHEME: Final = "kafka+ssl"
SCHEMES: Final = (PLAIN_SCHEME, TLS_SCHEME)
"""Every URL scheme served here."""

DEFAULT_PORT: Final = 9092


def address_fields(url: Url) -> dict[str, object]:
    """
    Return the fields of a configuration that the parts before the query give.

    Raises:
        UrlError: No broker is named, or there is a path.
    """
    if not url.hosts:
        raise _fault(url, "names no broker", f"Write {url.scheme}://localhost:{DEFAULT_PORT} for one on this machine")
    if url.path.strip("/"):
        raise _fault(url, "has a path, which means nothing here", "Give topics as ?topics=plants/%2B/flow,alarms")
    return {
        "bootstrap_servers": tuple(map(str, url.hosts)),
        "password": url.password,
        "tls": url.scheme == TLS_SCHEME,
        "username": url.username,
    }


def broker_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """
    Return the addresses in texts such as ``broker``, ``b1:9092,b2:9092`` or ``[::1]:9092``, each with its port.

    Raises:
        UrlError: A text is no list of hosts.
    """
    hosts = (host for text in texts for host in _hosts(text))
    return tuple(str(host if host.port else Host(host.name, DEFAULT_PORT)) for host in hosts)


def _hosts(text: str) -> tuple[Host, ...]:
    url = Url.parse(f"{PLAIN_SCHEME}://{text.replace(' ', '')}")
    if not url.hosts or url.username or url.password or url.path or url.query:
        raise _fault(url, "is no list of hosts", None)
    return url.hosts


def _fault(url: Url, reason: str, hint: str | None) -> UrlError:
    return UrlError(f"the {url.scheme} URL {reason}", url=str(url), hint=hint)
