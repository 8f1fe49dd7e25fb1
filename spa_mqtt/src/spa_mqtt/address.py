"""The ways to a broker: which schemes there are, their ports, and what a URL may say of them; opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from spa_core.errors import UrlError
from spa_core.url import Host, Url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "DEFAULT_PORTS",
    "SCHEMES",
    "TLS_SCHEMES",
    "WEBSOCKET_PATH",
    "WEBSOCKET_SCHEMES",
    "Scheme",
    "address_fields",
    "broker_hosts",
]

Scheme: TypeAlias = Literal["mqtt", "mqtts", "ws", "wss", "mqtt+unix"]
"""TCP, TLS, websocket, websocket over TLS, unix socket."""

SCHEMES: Final[Mapping[str, Scheme]] = {
    "mqtt": "mqtt",
    "mqtt+unix": "mqtt+unix",
    "mqtt+ws": "ws",  # for an environment in which another distribution serves ws
    "mqtt+wss": "wss",
    "mqtts": "mqtts",
    "ws": "ws",
    "wss": "wss",
}
"""Every URL scheme served here, and the way it stands for."""

DEFAULT_PORTS: Final[Mapping[str, int]] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
"""The port of each scheme that has ports."""

TLS_SCHEMES: Final = frozenset({"mqtts", "wss"})
WEBSOCKET_SCHEMES: Final = frozenset({"ws", "wss"})
WEBSOCKET_PATH: Final = "/mqtt"
"""What most brokers ask for; Mosquitto takes any."""

# All of them, so that the query can give none: there is one way to say each.
_NOTHING: Final[dict[str, object]] = {
    "fallback_hosts": (),
    "host": "localhost",
    "port": None,
    "unix_path": None,
    "websocket_path": WEBSOCKET_PATH,
}


def address_fields(url: Url) -> dict[str, object]:
    """
    Return the fields of a configuration that the parts before the query give.

    Raises:
        UrlError: A part is missing, or the scheme has no use for it.
    """
    scheme = SCHEMES[url.scheme]
    fields = _NOTHING | {"scheme": scheme, "username": url.username, "password": url.password}
    if scheme == "mqtt+unix":
        return fields | {"unix_path": _unix_path(url)}
    if not url.hosts:
        raise _fault(url, "names no broker", f"Write {url.scheme}://localhost for one on this machine")
    if scheme not in WEBSOCKET_SCHEMES and url.path.strip("/"):
        raise _fault(url, "has a path, which means nothing here", "Give topics as ?topics=plants/%2B/flow,alarms")
    first, *others = url.hosts
    fields |= {"host": first.name, "port": first.port, "fallback_hosts": tuple(map(str, others))}
    return fields | ({"websocket_path": url.path} if scheme in WEBSOCKET_SCHEMES and url.path else {})


def broker_hosts(texts: Iterable[str], *, default_port: int) -> tuple[Host, ...]:
    """
    Return the hosts that texts such as ``broker``, ``broker:1883`` or ``[::1]:1883`` name, each with a port.

    Raises:
        UrlError: A text is no host.
    """
    hosts = (host for text in texts for host in Url.parse(f"mqtt://{text}").hosts)
    return tuple(host if host.port else Host(host.name, default_port) for host in hosts)


def _unix_path(url: Url) -> str:
    if url.hosts or not url.path.strip("/"):
        hint = "Write three slashes before the path, as in mqtt+unix:///run/mosquitto.sock"
        raise _fault(url, "needs the path of a unix socket and no host", hint)
    return url.path


def _fault(url: Url, reason: str, hint: str) -> UrlError:
    return UrlError(f"the {url.scheme} URL {reason}", url=str(url), hint=hint)
