"""
The packets of a message's way, as bytes: PUBLISH and what confirms it; pure, and the same for MQTT 5 and 3.1.1.

Built and read here, because paho's own way costs ten times as much. What opens, keeps and ends a connection is paho's.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Incoming", "MalformedPacketError", "confirmation", "publish", "read_confirmation", "read_publish"]

PUBLISH: Final = 0x30
PUBACK: Final = 0x40
PUBREC: Final = 0x50
PUBREL: Final = 0x62
PUBCOMP: Final = 0x70

_SHORT: Final = struct.Struct("!H")
_CONFIRMATION: Final = struct.Struct("!BBH")
_BYTES: Final = tuple(bytes((number,)) for number in range(256))
LARGEST: Final = 268_435_455
"""What a packet's length can say, in bytes."""


class MalformedPacketError(ValueError):
    """Bytes that are no packet of the kind they say they are."""


class Incoming(NamedTuple):
    """
    A message as it came from the broker.

    Attributes:
        topic: Where it was published.
        payload: The body, the envelope for MQTT 3.1.1 included.
        mid: The packet's identifier; 0 at level 0.
        qos: The level it was sent with.
        retain: Whether it is a copy that the broker kept.
        dup: Whether the broker has sent it before.
        properties: The properties of MQTT 5 as they came, without their length.
    """

    topic: str
    payload: bytes
    mid: int
    qos: int
    retain: bool
    dup: bool
    properties: bytes


def publish(
    topic: str, payload: bytes, *, mid: int, qos: int, retain: bool, properties: bytes | None, dup: bool = False
) -> bytes:
    """
    Return a PUBLISH packet.

    Args:
        topic: Where to publish.
        payload: The body.
        mid: The packet's identifier; not sent at level 0.
        qos: 0, 1 or 2.
        retain: Whether the broker is to keep it.
        properties: The properties of MQTT 5 without their length; ``None`` under 3.1.1.
        dup: Whether it was sent before.

    Raises:
        MalformedPacketError: It is larger than any packet may be, 268,435,455 bytes.
    """
    name = _name(topic)
    number = _SHORT.pack(mid) if qos else b""
    if properties is None:
        length = properties = b""
    else:
        length = varint(len(properties))
    size = len(name) + len(number) + len(length) + len(properties) + len(payload)
    if size > LARGEST:
        raise MalformedPacketError(f"a packet of {size} bytes, of at most {LARGEST}")
    first = _BYTES[PUBLISH | dup << 3 | qos << 1 | retain]
    return b"".join((first, varint(size), name, number, length, properties, payload))


@lru_cache(maxsize=256)
def _name(topic: str) -> bytes:
    name = topic.encode()
    return _SHORT.pack(len(name)) + name


def confirmation(kind: int, mid: int) -> bytes:
    """Return a PUBACK, PUBREC, PUBREL or PUBCOMP that says success."""
    return _CONFIRMATION.pack(kind, 2, mid)


def read_publish(first: int, body: bytes, *, has_properties: bool) -> Incoming:
    """
    Return the message in a PUBLISH packet.

    Args:
        first: The packet's first byte.
        body: All behind the remaining length.
        has_properties: Whether the connection speaks MQTT 5.

    Raises:
        MalformedPacketError: It is cut short.
    """
    try:
        end = 2 + _SHORT.unpack_from(body)[0]
        # Brokers check; a text that is none must still not end the connection, it would come again with the next.
        topic = body[2:end].decode(errors="replace")
        qos = first >> 1 & 3
        mid = 0
        if qos:
            mid = _SHORT.unpack_from(body, end)[0]
            end += 2
        properties = b""
        if has_properties:
            size, start = read_varint(body, end)
            end = start + size
            properties = body[start:end]
    except (struct.error, IndexError) as error:
        raise MalformedPacketError("a PUBLISH packet is cut short") from error
    if end > len(body):
        raise MalformedPacketError("a PUBLISH packet is cut short")
    return Incoming(topic, body[end:], mid, qos, bool(first & 1), bool(first & 8), properties)


def read_confirmation(body: bytes) -> tuple[int, int]:
    """
    Return the identifier and the reason code of a PUBACK, PUBREC, PUBREL or PUBCOMP.

    Raises:
        MalformedPacketError: It is cut short.
    """
    if len(body) < 2:  # noqa: PLR2004 - the identifier's size
        raise MalformedPacketError("a confirmation is cut short")
    return _SHORT.unpack_from(body)[0], body[2] if len(body) > 2 else 0  # noqa: PLR2004 - success may be left out


def varint(number: int) -> bytes:
    """Return a number as MQTT's variable byte integer (MQTT 5, 1.5.5)."""
    if number < 0x80:  # noqa: PLR2004 - seven bits a byte
        return _BYTES[number]
    encoded = bytearray()
    while number >= 0x80:  # noqa: PLR2004
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """
    Return a variable byte integer and the index behind it.

    Raises:
        IndexError: It is cut short.
        MalformedPacketError: It has more than four bytes.
    """
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return number, at
        shift += 7
        if shift > 21:  # noqa: PLR2004 - four bytes
            raise MalformedPacketError("a length of more than four bytes")
