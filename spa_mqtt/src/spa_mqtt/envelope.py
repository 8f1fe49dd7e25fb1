"""
The envelope in front of a payload: what travels with a message where the protocol has no place for it; pure.

Five bytes that begin neither UTF-8 nor msgpack, the length of a msgpack map in two bytes, the map, the payload.
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["LARGEST", "MAGIC", "Header", "put_on", "take_off"]

MAGIC: Final = b"\xc1SPA\x01"
"""What an envelope begins with; the last byte is its version."""

LARGEST: Final = 65_535
"""Bytes of the largest header."""


class Header(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "content_type": "ct",
        "client_id": "ci",
        "client_name": "cn",
        "response_topic": "rt",
        "correlation": "co",
        "message_id": "mi",
        "timestamp": "ts",
        "key": "k",
        "headers": "h",
        "expires": "ex",
    },
):
    """
    What the envelope carries of a message.

    Attributes:
        content_type: The media type of the payload.
        client_id: The sender's id.
        client_name: The sender's readable name.
        response_topic: Where an answer is expected.
        correlation: What ties an answer to its request.
        message_id: The message's own id.
        timestamp: When it was made, in milliseconds since the epoch.
        key: What keeps messages in order.
        headers: The sender's own.
        expires: When nobody wants it any more, in milliseconds since the epoch by the sender's clock.
    """

    content_type: str | None = None
    client_id: str | None = None
    client_name: str | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
    message_id: str | None = None
    timestamp: int | None = None
    key: bytes | None = None
    headers: dict[str, str] = {}
    expires: int | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Header)


def put_on(header: Header, payload: bytes) -> bytes:
    """
    Return *payload* in an envelope.

    Raises:
        ValueError: The header is larger than `LARGEST`, or holds a text that is no Unicode.
    """
    packed = _ENCODER.encode(header)
    if len(packed) > LARGEST:
        raise ValueError(f"{len(packed)} bytes of headers and fields, of at most {LARGEST}")
    return b"".join((MAGIC, len(packed).to_bytes(2, "big"), packed, payload))


def take_off(data: bytes) -> tuple[Header, bytes] | None:
    """Return what is in an envelope, or ``None`` if *data* is in none that can be read."""
    if not data.startswith(MAGIC):
        return None
    start = len(MAGIC) + 2
    end = start + int.from_bytes(data[len(MAGIC) : start], "big")
    if len(data) < end:
        return None
    try:
        return _DECODER.decode(data[start:end]), data[end:]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
