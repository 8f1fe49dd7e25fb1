"""One host of a URL, as a value and as text; knows no other part of a URL."""

from __future__ import annotations

import dataclasses
import ipaddress

from spa_core.url._fault import PASSWORD_HINT, fault
from spa_core.url._percent import decode, encode

__all__ = ["Host", "read_host"]

_PORT_DIGITS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """
    A host and, where the URL gives one, its port.

    ``str()`` gives the form that stands in a URL, IPv6 addresses in brackets: ``broker:1883``, ``[::1]:9092``.

    Attributes:
        name: The name or address, decoded, without brackets; its case is kept.
        port: The port from 1 to 65535, or ``None`` for the transport's default.
    """

    name: str
    port: int | None = None

    def __str__(self) -> str:
        # The colons stay: an address is the one thing that stands in brackets.
        name = f"[{encode(self.name, safe=':')}]" if _is_ipv6(self.name) else encode(self.name)
        return name if self.port is None else f"{name}:{self.port}"


def read_host(scheme: str, text: str) -> Host:
    """
    Read what stands between two commas.

    Raises:
        UrlError: It is no host; the text itself is not shown, as it may be the rest of a password.
    """
    name, port = _bracketed(scheme, text) if text.startswith("[") else _plain(scheme, text)
    return Host(name, None if port is None else _port(scheme, port))


def _plain(scheme: str, text: str) -> tuple[str, str | None]:
    name, colon, port = text.partition(":")
    if ":" in port:
        reason = "has several colons in one host"
        raise fault(scheme, reason, hint=f"Write an IPv6 address in brackets, as in [::1]:1883. {PASSWORD_HINT}")
    if "[" in text or "]" in text:
        raise fault(scheme, "has a bracket that does not enclose a whole IPv6 address", hint="Write it as [::1]:1883")
    return decode(scheme, "host", name), port if colon else None


def _bracketed(scheme: str, text: str) -> tuple[str, str | None]:
    inside, bracket, behind = text[1:].partition("]")
    if not bracket:
        raise fault(scheme, "has an unclosed '[' in a host", hint="Write an IPv6 address as [::1]:1883")
    name = decode(scheme, "host", inside)
    if not _is_ipv6(name):
        raise fault(scheme, "has something in brackets that is no IPv6 address", hint="Write it as [::1]:1883")
    if behind and not behind.startswith(":"):
        raise fault(scheme, "has text right behind the ']' of a host", hint="Only ':' and a port can follow it")
    return name, behind[1:] if behind else None


def _port(scheme: str, text: str) -> int:
    # Not shown: in mqtt://user:pass/word@host the password's beginning stands where a port would.
    if not (text.isascii() and text.isdigit() and len(text) <= _PORT_DIGITS):
        hint = f"A port is a number from 1 to 65535. {PASSWORD_HINT}"
        raise fault(scheme, "has a port that is not a number" if text else "has a ':' without a port", hint=hint)
    return int(text)


def _is_ipv6(name: str) -> bool:
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return False
    return True
