"""Text and raw bytes: the two formats without structure."""

# ruff: noqa: ANN401, ARG002 - a wanted type is any annotation, and what is read is of that type; topic and headers are
# there for formats that need them

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import msgspec

from spa_core.codecs._faults import decode_error, encode_error
from spa_core.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = ["BytesCodec", "TextCodec"]


class TextCodec:
    """
    Text (``text/plain``).

    Only ``str`` is written, and only what a ``str`` fits is read: ``str`` itself, constrained and literal strings,
    enums, dates. A number in a text stays text; nothing is guessed.

    Args:
        charset: The name of the text encoding.

    Raises:
        ParameterError: Python has no text encoding of that name.
    """

    content_types: tuple[str, ...] = ("text/plain",)

    def __init__(self, charset: str = "utf-8") -> None:
        try:
            self._charset = codecs.lookup(charset).name
        except (LookupError, ValueError) as cause:
            raise ParameterError(f"unknown charset {charset!r}", parameter="charset") from cause

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:
        """
        Write a ``str``.

        Raises:
            EncodeError: *value* is no ``str``, or the charset lacks one of its characters.
        """
        try:
            return str.encode(value, self._charset)  # type: ignore[arg-type]  # anything else is refused by str itself
        except (TypeError, ValueError, LookupError) as cause:
            content_type = self.content_types[0]
            raise encode_error(cause, value, content_type=content_type, topic=topic, is_key=is_key) from cause

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:
        """
        Read a ``str``, or what a ``str`` converts to without guessing.

        Raises:
            DecodeError: *payload* is not text in the charset, or the text does not fit *wanted*.
        """
        try:
            text = payload.decode(self._charset)
            return text if wanted is str else _converted(text, wanted)
        except Exception as cause:
            content_type = self.content_types[0]
            raise decode_error(cause, payload, wanted, content_type=content_type, topic=topic, is_key=is_key) from cause

    def __repr__(self) -> str:
        return f"TextCodec({self._charset!r})"


class BytesCodec:
    """Raw bytes (``application/octet-stream``): what is published is what arrives."""

    content_types: tuple[str, ...] = ("application/octet-stream",)

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:
        """
        Write ``bytes``, a ``bytearray`` or a ``memoryview``.

        Raises:
            EncodeError: *value* is nothing of the kind.
        """
        try:
            return bytes(memoryview(value))  # type: ignore[arg-type]  # bytes(5) would be five zeros, a view refuses it
        except TypeError as cause:
            content_type = self.content_types[0]
            raise encode_error(cause, value, content_type=content_type, topic=topic, is_key=is_key) from cause

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:
        """
        Return *payload* as it is, or as a ``bytearray`` or ``memoryview`` if that is wanted.

        Raises:
            DecodeError: *wanted* takes no bytes.
        """
        try:
            return _converted(payload, wanted)
        except Exception as cause:
            content_type = self.content_types[0]
            raise decode_error(cause, payload, wanted, content_type=content_type, topic=topic, is_key=is_key) from cause

    def __repr__(self) -> str:
        return "BytesCodec()"


def _converted(value: str | bytes, wanted: Any) -> Any:
    # Named as built in, the byte types are not read from Base64, which would be a guess.
    return msgspec.convert(value, wanted, builtin_types=(bytes, bytearray, memoryview))
