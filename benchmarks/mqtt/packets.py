"""The few packets of MQTT 5 that a load needs, written by hand, so that making them costs it nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNACK: Final = 2
PUBLISH: Final = 3
SUBACK: Final = 9

_CONTENT_TYPE: Final = 0x03
_RESPONSE_TOPIC: Final = 0x08
_CORRELATION: Final = 0x09
_USER_PROPERTY: Final = 0x26


def connect(client_id: str) -> bytes:
    """Return CONNECT with a clean start and no keepalive."""
    return _packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x00" + b"\x00" + _text(client_id))


def subscribe(topic: str, qos: int) -> bytes:
    """Return SUBSCRIBE to one topic."""
    return _packet(0x82, b"\x00\x01\x00" + _text(topic) + bytes([qos]))


def puback(identifier: bytes) -> bytes:
    """Return PUBACK."""
    return b"\x40\x02" + identifier


def publish(topic: str | bytes, payload: bytes, qos: int, properties: bytes) -> tuple[bytes, bytes]:
    """Return what comes before and after the two bytes of the identifier, which there are none of at level 0."""
    name = _text(topic) if isinstance(topic, str) else len(topic).to_bytes(2) + topic
    rest = _length(len(properties)) + properties + payload
    size = len(name) + len(rest) + (2 if qos else 0)
    return bytes([0x30 | qos << 1]) + _length(size) + name, rest


def content_properties(content_type: str, headers: Mapping[str, str], correlation: bytes = b"") -> bytes:
    """Return the properties of a publish with a content type and headers."""
    pairs = b"".join(bytes([_USER_PROPERTY]) + _text(name) + _text(value) for name, value in headers.items())
    data = bytes([_CORRELATION]) + len(correlation).to_bytes(2) + correlation if correlation else b""
    return bytes([_CONTENT_TYPE]) + _text(content_type) + data + pairs


def packets(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take complete packets out of *buffer*: each one's first byte and what follows its length."""
    start = 0
    while (header := _header(buffer, start)) is not None:
        body, size = header
        if len(buffer) < body + size:
            break
        yield buffer[start], bytes(buffer[body : body + size])
        start = body + size
    del buffer[:start]


def request(first: int, body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return identifier, response topic, correlation data and payload of a PUBLISH; what is not there is empty."""
    position = 2 + int.from_bytes(body[:2])
    identifier = b""
    if first & 0x06:
        identifier, position = body[position : position + 2], position + 2
    size, position = _read_length(body, position)
    end = position + size
    address = correlation = b""
    while position < end:
        kind, position = body[position], position + 1
        if kind in _FIXED:
            position += _FIXED[kind]
            continue
        value, position = _value(body, position)
        if kind == _RESPONSE_TOPIC:
            address = value
        elif kind == _CORRELATION:
            correlation = value
        elif kind == _USER_PROPERTY:
            _, position = _value(body, position)
    return identifier, address, correlation, body[end:]


_FIXED: Final = {0x01: 1, 0x02: 4, 0x0B: 1, 0x23: 2}
"""Sizes of format, expiry, subscription (one of few) and alias."""


def _value(body: bytes, position: int) -> tuple[bytes, int]:
    end = position + 2 + int.from_bytes(body[position : position + 2])
    return body[position + 2 : end], end


def _header(buffer: bytearray, start: int) -> tuple[int, int] | None:
    size = 0
    for count in range(4):
        if start + 1 + count >= len(buffer):
            return None
        byte = buffer[start + 1 + count]
        size |= (byte & 0x7F) << 7 * count
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            return start + 2 + count, size
    raise ValueError("no MQTT")


def _read_length(body: bytes, position: int) -> tuple[int, int]:
    end, size = _header(bytearray(b"\x00" + body[position : position + 4]), 0) or (0, 0)
    return size, position + end - 1


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _length(len(body)) + body


def _length(size: int) -> bytes:
    digits = bytearray()
    while size > 0x7F:  # noqa: PLR2004 - seven bits in each byte
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data
