"""
The message every transport carries, and where its answer goes.

This file knows field meanings and nothing of sockets, codecs or brokers.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Self

import msgspec

__all__ = ["NO_HEADERS", "SpaMessage"]

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
"""The empty headers, shared by every message that has none."""


class _MessageIds:
    """Process-unique ids at the price of a counter; a fork draws a new prefix, so that children never collide."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self._prefix = os.urandom(8).hex()
        self._counter = itertools.count(1)

    def next(self) -> str:
        return f"{self._prefix}-{next(self._counter)}"


_new_id = _MessageIds().next


def _now() -> float:
    # Whole milliseconds, because that is the finest time every transport carries unchanged.
    return time.time_ns() // 1_000_000 / 1000


class SpaMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One message: a payload, the topic it belongs to, and what travels beside them.

    Messages never change; :meth:`replace` makes a changed copy. Every field but the three hints at the end maps without
    loss to CloudEvents attributes (``message_id`` = id, ``client_name`` = source, ``timestamp`` = time,
    ``content_type`` = datacontenttype, ``key`` = partitionkey);
    ``response_topic`` is routing and has no counterpart there.

    Attributes:
        topic: Where the message belongs; levels separated by ``/`` on every transport.
        payload: The body in bytes. A ``str`` is accepted and stored as UTF-8.
        content_type: The media type of the payload; ``None`` if the sender did not say.
        client_id: The sending client's id; filled in by the socket if ``None``.
        client_name: The sending application's readable name; filled in by the socket if ``None``.
        response_topic: Where an answer is expected; ``None`` if none is.
        correlation_id: Ties an answer to its request; carried unchanged.
        message_id: Unique for each message made in this process; ``None`` if the sender's system has none.
        timestamp: When the message was made: seconds since the Unix epoch (UTC), in whole milliseconds; ``None`` if the
            sender's system does not say.
        key: Messages with one key keep their order. A ``str`` is accepted and stored as UTF-8.
        headers: Text headers; copied and read-only.
        quality_of_service: The MQTT level (0, 1 or 2) wanted for this message, for transports that have such levels;
            ``None`` is the transport's default.
        retain: On publishing: keep the message for later subscribers. On receiving: this is such a kept copy.
        ttl: Seconds after which nobody wants the message any more; ``None`` is never.

    Example:
        >>> message = SpaMessage(topic="plants/north/flow", payload="100.6", content_type="text/plain")
        >>> message.payload
        b'100.6'
        >>> message.replace(topic="plants/south/flow").topic
        'plants/south/flow'
    """

    topic: str
    payload: bytes = b""
    content_type: str | None = None
    client_id: str | None = None
    client_name: str | None = None
    response_topic: str | None = None
    correlation_id: str | None = None
    message_id: str | None = msgspec.field(default_factory=_new_id)
    timestamp: float | None = msgspec.field(default_factory=_now)
    key: bytes | None = None
    headers: Mapping[str, str] = NO_HEADERS
    quality_of_service: int | None = None
    retain: bool = False
    ttl: float | None = None

    def __post_init__(self) -> None:
        if type(self.payload) is not bytes:
            msgspec.structs.force_setattr(self, "payload", _as_bytes(self.payload, "payload"))
        if self.key is not None and type(self.key) is not bytes:
            msgspec.structs.force_setattr(self, "key", _as_bytes(self.key, "key"))
        # A view given by the caller is copied too: its owner can still change what is under it.
        if self.headers is not NO_HEADERS:
            msgspec.structs.force_setattr(self, "headers", MappingProxyType(dict(self.headers)))

    def __hash__(self) -> int:
        # Headers cannot be hashed; equal messages have equal topics and ids, so this stays consistent with equality.
        return hash((self.topic, self.message_id))

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only headers cannot be pickled, what is in them can.
        fields = msgspec.structs.asdict(self) | {"headers": dict(self.headers)}
        return partial(type(self), **fields), ()

    @classmethod
    def build(cls, topic: str, payload: bytes | str, **fields: Any) -> Self:
        """
        Make a message with the topic first, as the origin's ``message_builder`` does.

        Args:
            topic: Where the message belongs.
            payload: The body; a ``str`` is stored as UTF-8.
            **fields: Any other field of :class:`SpaMessage`.
        """
        return cls(topic=topic, payload=payload, **fields)  # type: ignore[arg-type]  # str is stored as bytes

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; the id and the timestamp stay unless they are among them."""
        return msgspec.structs.replace(self, **changes)


def _as_bytes(value: object, field: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, memoryview):
        return value.tobytes()
    message = (
        f"{field} must be bytes or str, not {type(value).__name__}; objects are encoded by socket.publish(topic, value)"
    )
    raise TypeError(message)
