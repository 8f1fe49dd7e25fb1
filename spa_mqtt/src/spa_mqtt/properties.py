"""
The properties of a PUBLISH packet in MQTT 5, as bytes and as values (MQTT 5, 3.3.2.3); pure.

It knows what the protocol calls them and nothing of messages; `wire` gives them their meaning.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from spa_mqtt.packets import MalformedPacketError, read_varint

__all__ = ["LONGEST", "Properties", "expiry", "identifiers", "read", "text", "user", "user_name", "user_value"]

LONGEST: Final = 65_535
"""Bytes of the longest text or value."""

_FORMAT: Final = 0x01
_EXPIRY: Final = 0x02
_CONTENT_TYPE: Final = 0x03
_RESPONSE_TOPIC: Final = 0x08
_CORRELATION: Final = 0x09
_IDENTIFIER: Final = 0x0B
_ALIAS: Final = 0x23
_USER: Final = 0x26

_SHORT: Final = struct.Struct("!H")
_LONG: Final = struct.Struct("!BI")


class Properties(msgspec.Struct):
    """
    What stood in a PUBLISH packet beside topic and payload.

    Attributes:
        content_type: The media type.
        response_topic: Where an answer is expected.
        correlation: What ties an answer to its request; any bytes.
        expiry: Seconds that were left when the broker sent it.
        user: Names and values, in order; names may come again.
    """

    content_type: str | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
    expiry: int | None = None
    user: list[tuple[str, str]] = []


def content_type(value: bytes) -> bytes:
    """Return a content type as it travels."""
    return b"\x03" + _SHORT.pack(len(value)) + value


def response_topic(value: bytes) -> bytes:
    """Return a response topic as it travels."""
    return b"\x08" + _SHORT.pack(len(value)) + value


def correlation(value: bytes) -> bytes:
    """Return correlation data as they travel."""
    return b"\x09" + _SHORT.pack(len(value)) + value


def expiry(seconds: int) -> bytes:
    """Return an expiry interval as it travels."""
    return _LONG.pack(_EXPIRY, seconds)


def user(name: bytes, value: bytes) -> bytes:
    """Return a user property as it travels."""
    return b"".join((b"\x26", _SHORT.pack(len(name)), name, _SHORT.pack(len(value)), value))


def user_name(name: bytes) -> bytes:
    """Return the first half of a user property, which many have in common; `user_value` is the other."""
    return b"\x26" + _SHORT.pack(len(name)) + name


def user_value(value: bytes) -> bytes:
    """Return the second half of a user property."""
    return _SHORT.pack(len(value)) + value


def read(data: bytes) -> Properties:
    """
    Return the properties in *data*, which is without their length.

    Raises:
        MalformedPacketError: They break the protocol.
    """
    found = Properties(user=[])
    at, end = 0, len(data)
    try:
        while at < end:
            if data[at] != _USER:
                at = _read_one(data, at, found)
                continue
            # In one go, because there are many of them.
            start = at + 3
            middle = start + (data[at + 1] << 8 | data[at + 2])
            at = middle + 2 + (data[middle] << 8 | data[middle + 1])
            data[at - 1]
            found.user.append((data[start:middle].decode(), data[middle + 2 : at].decode()))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MalformedPacketError("properties are cut short or hold no UTF-8") from error
    return found


def _read_one(data: bytes, at: int, found: Properties) -> int:
    kind = data[at]
    at += 1
    if kind == _USER:
        name, at = text(data, at)
        value, at = text(data, at)
        found.user.append((name, value))
    elif kind == _CONTENT_TYPE:
        found.content_type, at = text(data, at)
    elif kind == _EXPIRY:
        found.expiry = struct.unpack_from("!I", data, at)[0]
        at += 4
    elif kind == _RESPONSE_TOPIC:
        found.response_topic, at = text(data, at)
    elif kind == _CORRELATION:
        found.correlation, at = _binary(data, at)
    else:
        at = _skip(kind, data, at)
    return at


def identifiers(data: bytes) -> set[int]:
    """
    Return the subscription identifiers among the properties in *data*.

    Raises:
        MalformedPacketError: They break the protocol.
    """
    found: set[int] = set()
    at = 0
    rest = Properties(user=[])
    try:
        while at < len(data):
            if data[at] == _IDENTIFIER:
                number, at = read_varint(data, at + 1)
                found.add(number)
            else:
                at = _read_one(data, at, rest)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MalformedPacketError("properties are cut short or hold no UTF-8") from error
    return found


def text(data: bytes, at: int) -> tuple[str, int]:
    """Return the text at an index, and the index behind it."""
    end = at + 2 + (data[at] << 8 | data[at + 1])
    if end > len(data):
        raise IndexError
    return data[at + 2 : end].decode(), end


def _binary(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + (data[at] << 8 | data[at + 1])
    if end > len(data):
        raise IndexError
    return data[at + 2 : end], end


def _skip(kind: int, data: bytes, at: int) -> int:
    if kind == _IDENTIFIER:
        return read_varint(data, at)[1]
    if kind == _FORMAT:
        return at + 1
    if kind == _ALIAS:
        return at + 2
    raise MalformedPacketError(f"property 0x{kind:02X} is none of a PUBLISH packet")
