"""
A message and its form on the wire, both ways: native properties in MQTT 5, an envelope where they cannot carry it.

Pure. Fields that MQTT has no word for travel as user properties with reserved names; a header that has such a name
gets a tilde in front, which the reader takes off again.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from spa_core.errors import MessageTooLargeError, PublishError
from spa_core.message import NO_HEADERS, SpaMessage
from spa_mqtt import envelope, properties
from spa_mqtt.envelope import Header
from spa_mqtt.packets import MalformedPacketError

if TYPE_CHECKING:
    from spa_mqtt.packets import Incoming

__all__ = ["LARGEST_PAYLOAD", "Enveloping", "Outgoing", "from_wire", "time_to_live", "to_wire"]

LARGEST_PAYLOAD: Final = 268_435_455
"""Bytes: what a packet's length can say. A little less fits, by topic and properties."""

LONGEST_TTL: Final = 4_294_967_295
"""Seconds."""

Enveloping: TypeAlias = Literal["auto", "always", "never"]
"""When the envelope is used; see `MqttConfig.envelope`."""

_CLIENT_ID: Final = "spa-client-id"
_CLIENT_NAME: Final = "spa-client-name"
_MESSAGE_ID: Final = "spa-message-id"
_TIMESTAMP: Final = "spa-timestamp"
_KEY: Final = "spa-key"
_KEY_BYTES: Final = "spa-key-base64"
_RESERVED: Final = frozenset({_CLIENT_ID, _CLIENT_NAME, _MESSAGE_ID, _TIMESTAMP, _KEY, _KEY_BYTES})
_TILDE: Final = "~"

_ENCODED_ONCE: Final = 64
"""How many texts that messages have in common are kept as they travel: names of headers, content types, senders."""

# What brokers may end a connection for if it stands in a text (MQTT 5, 1.5.4): sent again, it would end the next too.
_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)


class Outgoing(NamedTuple):
    """
    A message as it is sent.

    Attributes:
        payload: The body, in its envelope if it needs one.
        properties: The properties of MQTT 5; ``None`` under 3.1.1.
    """

    payload: bytes
    properties: bytes | None


class _NotNativeError(Exception):
    """Native properties cannot carry something."""


def to_wire(message: SpaMessage, *, is_v5: bool, enveloping: Enveloping) -> Outgoing:
    """
    Return a message's form on the wire.

    Raises:
        MessageTooLargeError: Headers and fields are larger than an envelope can hold.
        PublishError: They hold a text that is no Unicode, or that cannot travel with ``envelope="never"``.
    """
    looks_enveloped = message.payload.startswith(envelope.MAGIC)
    if is_v5 and enveloping != "always" and not looks_enveloped:
        try:
            return Outgoing(message.payload, _native(message))
        except _NotNativeError as error:
            if enveloping == "never":
                text = f"a message on {message.topic!r} holds what MQTT cannot carry in {error}"
                raise PublishError(text, topic=message.topic, hint="Allow the envelope") from None
    native = _expiry(message) if is_v5 else None
    wanted = {"auto": _says_something(message), "always": True, "never": False}[enveloping] or is_v5
    return Outgoing(_enveloped(message) if wanted or looks_enveloped else message.payload, native)


def from_wire(incoming: Incoming) -> SpaMessage:
    """Return the message that came; what cannot be read of its properties is left out, never an error."""
    opened = envelope.take_off(incoming.payload) if incoming.payload[:1] == b"\xc1" else None
    try:
        found = properties.read(incoming.properties) if incoming.properties else None
    except MalformedPacketError:
        found = None
    if opened is not None:
        return _from_envelope(incoming, *opened, ttl=None if found is None else found.expiry)
    if found is None:
        return SpaMessage(
            topic=incoming.topic,
            payload=incoming.payload,
            message_id=None,
            timestamp=None,
            quality_of_service=incoming.qos,
            retain=incoming.retain,
        )
    return _from_native(incoming, found)


def time_to_live(incoming: Incoming) -> float | None:
    """Return for how many seconds a message that came now is wanted; ``None`` is for ever."""
    if b"\x02" not in incoming.properties and incoming.payload[:1] != b"\xc1":
        return None
    return from_wire(incoming).ttl


# -- native ------------------------------------------------------------------------------------------------------------


def _native(message: SpaMessage) -> bytes:
    parts: list[bytes] = []
    if message.content_type is not None:
        parts.append(_content_type(message.content_type))
    if message.response_topic is not None:
        parts.append(properties.response_topic(_text(message.response_topic, "its response topic")))
    if message.correlation_id is not None:
        parts.append(properties.correlation(_correlation(message.correlation_id)))
    if message.ttl is not None:
        parts.append(_expiry(message))
    parts.append(_identity(message.client_id, message.client_name))
    if message.message_id is not None:
        parts += _ID, properties.user_value(_text(message.message_id, "its fields"))
    if message.timestamp is not None:
        parts += _TIME, properties.user_value(b"%d" % _milliseconds(message.timestamp))
    if message.key is not None:
        parts.append(_key(message.key))
    if message.headers:
        for name, value in message.headers.items():
            parts += _name(name), properties.user_value(_text(value, "its headers"))
    return b"".join(parts)


_ID: Final = properties.user_name(_MESSAGE_ID.encode())
_TIME: Final = properties.user_name(_TIMESTAMP.encode())


@lru_cache(maxsize=_ENCODED_ONCE)
def _content_type(media_type: str) -> bytes:
    return properties.content_type(_text(media_type, "its content type"))


@lru_cache(maxsize=_ENCODED_ONCE)
def _identity(client_id: str | None, client_name: str | None) -> bytes:
    fields = ((_CLIENT_ID, client_id), (_CLIENT_NAME, client_name))
    return b"".join(
        properties.user(name.encode(), _text(value, "its fields")) for name, value in fields if value is not None
    )


@lru_cache(maxsize=_ENCODED_ONCE)
def _name(header: str) -> bytes:
    written = _TILDE + header if header.lstrip(_TILDE) in _RESERVED else header
    return properties.user_name(_text(written, "its headers"))


def _text(value: str, where: str) -> bytes:
    if not (value.isascii() and value.isprintable()) and _FORBIDDEN.search(value):
        raise _NotNativeError(where)
    encoded = value.encode()
    if len(encoded) > properties.LONGEST:
        raise _NotNativeError(where)
    return encoded


def _key(key: bytes) -> bytes:
    try:
        if len(key) <= properties.LONGEST and not _FORBIDDEN.search(key.decode()):
            return properties.user(b"spa-key", key)
    except UnicodeDecodeError:
        pass
    encoded = base64.b64encode(key)
    if len(encoded) > properties.LONGEST:
        raise _NotNativeError("its key")
    return properties.user(b"spa-key-base64", encoded)


def _expiry(message: SpaMessage) -> bytes:
    # Rounded up, and never 0, which brokers take for no expiry at all.
    return b"" if message.ttl is None else properties.expiry(min(max(math.ceil(message.ttl), 1), LONGEST_TTL))


def _correlation(text: str) -> bytes:
    try:
        encoded = text.encode(errors="surrogateescape")  # what a foreign client sent as bytes goes back as it came
    except UnicodeEncodeError:
        raise _NotNativeError("its correlation id") from None
    if len(encoded) > properties.LONGEST:
        raise _NotNativeError("its correlation id")
    return encoded


def _from_native(incoming: Incoming, found: properties.Properties) -> SpaMessage:
    fields: dict[str, str] = {}
    headers: dict[str, str] = {}
    for name, value in found.user:
        if name in _RESERVED:
            fields[name] = value
        elif name[:1] == _TILDE and name.lstrip(_TILDE) in _RESERVED:
            headers[name[1:]] = value
        else:
            headers[name] = value
    correlation = found.correlation
    return SpaMessage(
        topic=incoming.topic,
        payload=incoming.payload,
        content_type=found.content_type,
        client_id=fields.get(_CLIENT_ID),
        client_name=fields.get(_CLIENT_NAME),
        response_topic=found.response_topic,
        correlation_id=None if correlation is None else correlation.decode(errors="surrogateescape"),
        message_id=fields.get(_MESSAGE_ID),
        timestamp=_seconds(fields.get(_TIMESTAMP)),
        key=_read_key(fields),
        headers=headers or NO_HEADERS,
        quality_of_service=incoming.qos,
        retain=incoming.retain,
        ttl=None if found.expiry is None else float(found.expiry),
    )


def _read_key(fields: dict[str, str]) -> bytes | None:
    encoded = fields.get(_KEY_BYTES)
    if encoded is not None:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return None  # not written by SPA
    key = fields.get(_KEY)
    return None if key is None else key.encode()


def _milliseconds(timestamp: float) -> int:
    return round(timestamp * 1000)


def _seconds(milliseconds: str | int | None) -> float | None:
    try:
        return None if milliseconds is None else int(milliseconds) / 1000
    except (ValueError, OverflowError):
        return None


# -- in an envelope ----------------------------------------------------------------------------------------------------


def _says_something(message: SpaMessage) -> bool:
    """Whether there is more than what every message has, and readers that know no envelope can do without."""
    asked = message.content_type, message.response_topic, message.correlation_id, message.key, message.ttl
    return bool(message.headers) or any(each is not None for each in asked)


def _enveloped(message: SpaMessage) -> bytes:
    correlation, timestamp, ttl = message.correlation_id, message.timestamp, message.ttl
    try:
        header = Header(
            content_type=message.content_type,
            client_id=message.client_id,
            client_name=message.client_name,
            response_topic=message.response_topic,
            correlation=None if correlation is None else correlation.encode(errors="surrogateescape"),
            message_id=message.message_id,
            timestamp=None if timestamp is None else _milliseconds(timestamp),
            key=message.key,
            headers=dict(message.headers),
            expires=None if ttl is None else _milliseconds(time.time() + ttl),
        )
        return envelope.put_on(header, message.payload)
    except UnicodeEncodeError as error:
        text = f"a message on {message.topic!r} holds a text that is no Unicode"
        raise PublishError(text, topic=message.topic) from error
    except ValueError as error:
        size = sum(len(name) + len(value) for name, value in message.headers.items())
        text = f"a message on {message.topic!r} has too much beside its payload: {error}"
        raise MessageTooLargeError(text, topic=message.topic, size=size, limit=envelope.LARGEST) from error


def _from_envelope(incoming: Incoming, header: Header, payload: bytes, *, ttl: int | None) -> SpaMessage:
    left = ttl if header.expires is None else header.expires / 1000 - time.time()
    return SpaMessage(
        topic=incoming.topic,
        payload=payload,
        content_type=header.content_type,
        client_id=header.client_id,
        client_name=header.client_name,
        response_topic=header.response_topic,
        correlation_id=None if header.correlation is None else header.correlation.decode(errors="surrogateescape"),
        message_id=header.message_id,
        timestamp=_seconds(header.timestamp),
        key=header.key,
        headers=header.headers or NO_HEADERS,
        quality_of_service=incoming.qos,
        retain=incoming.retain,
        ttl=None if left is None else max(float(left), 0.0),
    )
