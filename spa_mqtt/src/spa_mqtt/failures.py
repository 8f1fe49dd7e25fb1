"""What went wrong at the broker, in SPA's errors: reason codes and the system's errors become sentences; no I/O."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

import msgspec

from spa_core.errors import AuthenticationError, ConnectError, PublishRefusedError, SubscribeError

__all__ = [
    "SILENCE",
    "UNEXPLAINED",
    "Loss",
    "encryption_failed",
    "publish_refused",
    "reason",
    "refused",
    "rival",
    "subscribe_refused",
    "taken_over",
    "unreachable",
]

TAKEN_OVER: Final = 0x8E
KEEPALIVE_TIMEOUT: Final = 0x8D
NO_SUBSCRIBERS: Final = 0x10
REFUSAL: Final = 0x80
"""Reason codes from here on say no (MQTT 5, 2.4)."""

UNSUPPORTED_VERSION: Final = 0x84

_REASONS: Final = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "quality of service not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

_CREDENTIALS: Final = frozenset({0x86, 0x87, 0x8A, 0x8C})
_PERMANENT: Final = frozenset({0x84, 0x85, 0x95, 0x9A, 0x9B, 0x9C, 0x9D}) | _CREDENTIALS


class Loss(msgspec.Struct, frozen=True):
    """
    How a connection ended.

    Attributes:
        reason: Why, in words.
        code: The reason code that the broker gave; ``None`` if it gave none.
    """

    reason: str
    code: int | None = None


UNEXPLAINED: Final = Loss("the connection was lost")
"""The other side, or the network, has closed it."""

SILENCE: Final = (
    "Is it an MQTT broker? Check whether it speaks TLS or not, speaks only MQTT 3.1.1 (protocol=3.1.1), asks for a "
    "certificate, or has all the connections that it allows"
)
"""What makes brokers hang up without a word."""


def reason(code: int) -> str:
    """Return a reason code in words."""
    return f"{_REASONS.get(code, 'unknown reason')} (0x{code:02X})"


def refused(where: str, code: int, *, client_id: str) -> ConnectError:
    """Return the error for a broker that answers a CONNECT with a refusal; tells what another attempt cannot help."""
    if code in _CREDENTIALS:
        hint = "Check username= and password=, and what the broker allows them"
        return AuthenticationError(f"the broker at {where} refused the connection: {reason(code)}", hint=hint)
    about = f" of client_id {client_id!r}" if code == 0x85 else ""  # noqa: PLR2004 - the identifier
    error = ConnectError(f"the broker at {where} refused the connection{about}: {reason(code)}")
    error.retriable = code not in _PERMANENT
    return error


def taken_over(client_id: str) -> str:
    """Return what it means that a session is taken over."""
    return (
        f"another program has connected as client_id {client_id!r}, and the broker gave it the session; "
        "give each its own client_id"
    )


def rival(client_id: str | None) -> str | None:
    """Return who may be to blame where connections end soon and the broker does not say why."""
    return (
        None if client_id is None else f"Perhaps another program has come as {client_id!r}: give each its own client_id"
    )


def unreachable(where: str, error: OSError) -> ConnectError:
    """Return the error for a broker that cannot be reached; its cause is to be chained."""
    # asyncio words a refused connection in its own way, and a name that is unknown has a number of another kind.
    is_numbered = error.errno is not None and not isinstance(error, socket.gaierror)
    why = os.strerror(error.errno or 0) if is_numbered else error.strerror or str(error) or type(error).__name__
    place = "the socket's path" if where.startswith("/") else "the host and the port"
    return ConnectError(f"no connection to {where}: {why}", hint=f"Check {place}, and that the broker runs")


def encryption_failed(where: str, error: ssl.SSLError | ssl.CertificateError) -> ConnectError:
    """Return the error for TLS that does not come about; trying again cannot help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of {where} is not trusted: {error.verify_message}"
        hint = "Give the authority that signed it with tls_ca="
    else:
        text = f"no TLS with {where}: {error.reason or error}"
        hint = "Check that the port speaks TLS, and which versions and certificates it asks for"
    failure = ConnectError(text, hint=hint)
    failure.retriable = False
    return failure


def publish_refused(topic: str, code: int) -> PublishRefusedError:
    """Return the error for a message that the broker does not take."""
    text = f"the broker refused a message on {topic!r}: {reason(code)}"
    return PublishRefusedError(text, topic=topic, reason=reason(code))


def subscribe_refused(topics: tuple[str, ...], topic_filter: str, code: int) -> SubscribeError:
    """Return the error for a filter that the broker does not take."""
    return SubscribeError(f"the broker refused the subscription to {topic_filter!r}: {reason(code)}", topics=topics)
