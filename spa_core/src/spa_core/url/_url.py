"""The URL as a value; knows what its parts may hold and how it shows itself, not how text is taken apart."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from spa_core.url._fault import fault
from spa_core.url._grammar import is_scheme, read_parts
from spa_core.url._percent import encode, is_encodable
from spa_core.url._secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from spa_core.url._host import Host

__all__ = ["Url"]

_LAST_PORT = 65535


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Url:
    """
    Where a broker is and how to talk to it: ``scheme://user:password@host:port,host:port/path?name=value``.

    Text is read by RFC 3986, with several hosts separated by commas, and these choices:

    - All parts are percent-decoded as UTF-8. A plus sign is a plus sign, also in the query, because it is a wildcard of
      topics; a blank is written ``%20``.
    - A fragment is refused; write ``#`` as ``%23``.
    - An ``@`` ends the user name and password and stands nowhere else, so that a password that was not encoded is
      refused and not taken for hosts; write it as ``%40``.
    - Every parameter of the query has the form ``name=value``.

    ``str()``, ``repr()`` and every format are redacted: the user name and password, if any, are ``***``, and so is
    every value of the query, because a secret may stand under a misspelt name. `reveal` gives the text in clear.

    Attributes:
        scheme: Lower case; selects the transport.
        username: ``None`` where the URL gives none or an empty one.
        password: ``None`` where the URL gives none; a ``:`` with nothing behind it gives an empty one.
        hosts: In the order given; empty for ``memory://`` and for ``mqtt+unix:///run/mqtt.sock``.
        path: With its leading slash, or empty: ``/run/mqtt.sock``. An encoded ``%2F`` is a slash like any other.
        query: Names and values in the order given, repeats kept.

    Raises:
        UrlError: A part holds what a URL cannot, such as port 70000 or a path with a duplicate slash.

    Example:
        >>> url = Url.parse("kafka://ann:hunter2@b1:9092,b2/?acks=all")
        >>> url
        Url('kafka://***@b1:9092,b2/?acks=***')
        >>> url.hosts
        (Host(name='b1', port=9092), Host(name='b2', port=None))
    """

    scheme: str
    username: str | None = None
    password: Secret | None = None
    hosts: tuple[Host, ...] = ()
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.username:  # one way to say it, so that equal URLs are equal
            object.__setattr__(self, "username", None)
        for reason in self._faults():
            raise fault(self.scheme if is_scheme(self.scheme) else "", reason)

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read a URL.

        Raises:
            UrlError: *text* is no URL. The error says why and shows the scheme at most, never any other part.
        """
        parts = read_parts(text)
        password = None if parts.password is None else Secret(parts.password)
        return cls(
            scheme=parts.scheme,
            username=parts.username,
            password=password,
            hosts=parts.hosts,
            path=parts.path,
            query=parts.query,
        )

    def reveal(self) -> str:
        """
        Return the URL in clear, its password included, percent-encoded.

        Guarantees that ``Url.parse(url.reveal()) == url``.
        """
        password = "" if self.password is None else f":{encode(self.password.reveal())}"
        userinfo = f"{encode(self.username or '')}{password}"
        return self._text(userinfo, [encode(value) for _, value in self.query])

    def __str__(self) -> str:
        has_userinfo = self.username is not None or self.password is not None
        return self._text("***" if has_userinfo else "", ["***"] * len(self.query))

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def _text(self, userinfo: str, values: list[str]) -> str:
        at = "@" if userinfo else ""
        hosts = ",".join(map(str, self.hosts))
        pairs = zip(self.query, values, strict=True)
        query = "&".join(f"{encode(name)}={value}" for (name, _), value in pairs)
        return f"{self.scheme}://{userinfo}{at}{hosts}{encode(self.path, safe='/')}{'?' if query else ''}{query}"

    def _faults(self) -> Iterator[str]:
        if not is_scheme(self.scheme) or self.scheme != self.scheme.lower():
            yield "has a scheme that is not made of lower-case letters, digits, '+', '.' and '-'"
        if not all(host.name for host in self.hosts):
            yield "has a host without a name"
        if not all(host.port is None or 1 <= host.port <= _LAST_PORT for host in self.hosts):
            yield "has a port that is not from 1 to 65535"
        if self.path and not self.path.startswith("/"):
            yield "has a path that does not start with a slash"
        if "//" in self.path:
            yield "has a duplicate slash"
        if not all(name for name, _ in self.query):
            yield "has a value without a name in its query"
        if not all(map(is_encodable, self._texts())):
            yield "has a character that UTF-8 cannot write"

    def _texts(self) -> Iterator[str]:
        yield self.username or ""
        yield "" if self.password is None else self.password.reveal()
        yield self.path
        yield from (host.name for host in self.hosts)
        for pair in self.query:
            yield from pair
