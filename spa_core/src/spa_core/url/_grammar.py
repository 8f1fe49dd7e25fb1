"""How a URL's text falls into parts and becomes text again; knows where a part ends, not what it may hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from spa_core.url._fault import PASSWORD_HINT, fault
from spa_core.url._host import read_host
from spa_core.url._percent import decode, is_encodable

if TYPE_CHECKING:
    from spa_core.url._host import Host

__all__ = ["Parts", "is_scheme", "read_parts"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_BLANK = re.compile(r"[\s\x00-\x20\x7f-\x9f]")
_FORM = "A URL starts with a scheme and '://', as in memory://name or mqtt://broker:1883"


class Parts(NamedTuple):
    """A URL's parts, decoded; the password still in clear."""

    scheme: str
    username: str | None
    password: str | None
    hosts: tuple[Host, ...]
    path: str
    query: tuple[tuple[str, str], ...]


def is_scheme(text: str) -> bool:
    """Return whether *text* is a scheme, in letters of any case."""
    return _SCHEME.fullmatch(text) is not None


def read_parts(text: str) -> Parts:
    """
    Take a URL apart.

    Raises:
        UrlError: The text is no URL.
    """
    scheme, rest = _scheme(text)
    if not is_encodable(rest) or _BLANK.search(rest):
        raise fault(scheme, "has a blank or a control character in it", hint="Write a blank as %20")
    if "#" in rest:
        raise fault(scheme, "has a fragment, which means nothing here", hint="Write '#' itself as %23")
    head, _, query = rest.partition("?")
    authority, slash, path = head.partition("/")
    if "@" in path or "@" in query:
        # It may end a password that has a '/' or a '?' in it, and then the hosts would be a part of that password.
        raise fault(scheme, "has an '@' behind its hosts", hint=f"{PASSWORD_HINT}; behind the hosts write '@' as %40")
    userinfo, hosts = _authority(scheme, authority)
    username, password = _userinfo(scheme, userinfo)
    return Parts(scheme, username, password, hosts, decode(scheme, "path", slash + path), _query(scheme, query))


def _scheme(text: str) -> tuple[str, str]:
    scheme, separator, rest = text.partition("://")
    if not text:
        raise fault("", "is empty", hint=_FORM)
    if not separator:
        raise fault("", "has no '://'", hint=_FORM)
    if not is_scheme(scheme):
        reason = "has something before its '://' that is no scheme"
        raise fault("", reason, hint=f"A scheme is made of letters, digits, '+', '.' and '-'. {_FORM}")
    return scheme.lower(), rest


def _authority(scheme: str, text: str) -> tuple[str, tuple[Host, ...]]:
    userinfo, _, hosts = text.rpartition("@")
    if "@" in userinfo:
        raise fault(scheme, "has two '@' before its path", hint=f"{PASSWORD_HINT}; one user serves all hosts")
    if not hosts:
        return userinfo, ()
    return userinfo, tuple(read_host(scheme, host) for host in hosts.split(","))


def _userinfo(scheme: str, text: str) -> tuple[str | None, str | None]:
    username, colon, password = text.partition(":")
    return (
        decode(scheme, "user name", username) if username else None,
        decode(scheme, "password", password) if colon else None,
    )


def _query(scheme: str, text: str) -> tuple[tuple[str, str], ...]:
    return tuple(_parameter(scheme, pair) for pair in text.split("&")) if text else ()


def _parameter(scheme: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        # Its text is not shown: it may be the rest of a value that had an '&' in it.
        reason = "has something in its query that is not of the form name=value"
        raise fault(scheme, reason, hint="Inside a value write '&' as %26 and '%' as %25")
    return decode(scheme, "query", name), decode(scheme, "query", value)
