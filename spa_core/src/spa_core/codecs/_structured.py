"""JSON and MessagePack over msgspec; knows the two formats and keeps one prepared decoder for each wanted type."""

# ruff: noqa: ANN401, ARG002 - a wanted type is any annotation, and what is read is of that type; topic and headers are
# there for formats that need them

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from spa_core.codecs._faults import decode_error, encode_error
from spa_core.codecs._memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

__all__ = ["JsonCodec", "MsgpackCodec"]

_READABLE: Final = (
    "It takes msgspec structs, dataclasses, typed dicts and built-in types; other types need their own codec"
)


class _MsgspecCodec:
    """
    What the two formats share.

    Everything about a wanted type is worked out on its first use, so that a message costs one dict lookup more than
    msgspec itself.
    """

    content_types: tuple[str, ...]

    def __init__(
        self,
        encode: Callable[[object], bytes],
        encode_key: Callable[[object], bytes],
        decoder: Callable[[Any], Callable[[bytes], Any]],
    ) -> None:
        self._encode = encode
        self._encode_key = encode_key
        self._decoders = Memo(decoder)

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:
        """
        Write *value*; the entries of dicts and sets in a key are sorted, so that equal keys give equal bytes.

        Raises:
            EncodeError: *value* is of a type msgspec does not know.
        """
        try:
            return self._encode_key(value) if is_key else self._encode(value)
        except Exception as cause:
            content_type = self.content_types[0]
            raise encode_error(
                cause, value, content_type=content_type, topic=topic, is_key=is_key, hint=_READABLE
            ) from cause

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:
        """
        Read *payload* and validate it against *wanted*.

        Raises:
            DecodeError: *payload* is malformed, does not fit *wanted*, or *wanted* is a type msgspec cannot read, such
                as a union of untagged structs.
        """
        try:
            return self._decoders.of(wanted)(payload)
        except Exception as cause:
            raise decode_error(
                cause, payload, wanted, content_type=self.content_types[0], topic=topic, is_key=is_key
            ) from cause

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JsonCodec(_MsgspecCodec):
    """
    JSON (RFC 8259), always UTF-8.

    What JSON has no form for is written the way msgspec does: bytes as Base64, dates and times as RFC 3339, ``NaN`` and
    the infinities as ``null``.
    """

    content_types: tuple[str, ...] = ("application/json",)

    def __init__(self) -> None:
        super().__init__(
            msgspec.json.Encoder().encode,
            msgspec.json.Encoder(order="deterministic").encode,
            lambda wanted: msgspec.json.Decoder(wanted).decode,
        )


class MsgpackCodec(_MsgspecCodec):
    """
    MessagePack, which carries bytes, ``NaN`` and the infinities as they are.

    Integers must fit 64 bits.
    """

    content_types: tuple[str, ...] = (
        "application/msgpack",
        "application/x-msgpack",
        "application/vnd.msgpack",
    )

    def __init__(self) -> None:
        super().__init__(
            msgspec.msgpack.Encoder().encode,
            msgspec.msgpack.Encoder(order="deterministic").encode,
            lambda wanted: msgspec.msgpack.Decoder(wanted).decode,
        )
