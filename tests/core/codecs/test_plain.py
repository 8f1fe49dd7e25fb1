"""Text and bytes: taken as they are, or refused."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.codecs import BytesCodec, Codec, TextCodec
from spa_core.errors import DecodeError, EncodeError, ParameterError


class Switch(enum.Enum):
    """What a text can be converted to."""

    ON = "on"
    OFF = "off"


def encode(codec: Codec, value: object) -> bytes:
    """Write *value* for a fixed topic."""
    return codec.encode(value, topic="plants/north", headers={}, is_key=False)


def decode(codec: Codec, payload: bytes, wanted: object = Any) -> object:
    """Read *payload* from a fixed topic."""
    return codec.decode(payload, wanted, topic="plants/north", headers={}, is_key=False)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["utf-8", "UTF-16", "utf-32-le"]))
def test_text_comes_back_in_every_charset(text: str, charset: str) -> None:
    """What is written in a charset is read back from it."""
    codec = TextCodec(charset)

    assert decode(codec, encode(codec, text), str) == text
    assert decode(codec, encode(codec, text)) == text


@given(st.binary())
def test_arbitrary_bytes_are_text_or_a_decode_error(payload: bytes) -> None:
    """Bytes that are no UTF-8 are refused with a DecodeError and nothing else."""
    try:
        text = decode(TextCodec(), payload)
    except DecodeError:
        return

    assert text == payload.decode()


def test_text_fits_string_like_types() -> None:
    """Literals and enums take a text."""
    assert decode(TextCodec(), b"on", Literal["on", "off"]) == "on"
    assert decode(TextCodec(), b"on", Switch) is Switch.ON


@pytest.mark.parametrize("wanted", [int, float, bytes, list[str], Literal["off"]], ids=repr)
def test_text_is_never_guessed_into_other_types(wanted: object) -> None:
    """A text is no number, no bytes and no list, whatever it looks like."""
    with pytest.raises(DecodeError, match="the text/plain payload of 4 bytes on 'plants/north' cannot be read as"):
        decode(TextCodec(), b"1234", wanted)


def test_only_text_is_written_as_text() -> None:
    """A number is not turned into text silently."""
    with pytest.raises(EncodeError, match="a value of type int cannot be written as the text/plain payload"):
        encode(TextCodec(), 5)


def test_characters_the_charset_lacks_are_an_encode_error() -> None:
    """A text with a character that the charset cannot write is refused."""
    with pytest.raises(EncodeError, match="can't encode character"):
        encode(TextCodec("iso-8859-1"), "☃")


@pytest.mark.parametrize("charset", ["klingon", "", "nul\0"], ids=repr)
def test_unknown_charset_is_refused(charset: str) -> None:
    """A codec for a charset nobody knows cannot be made."""
    with pytest.raises(ParameterError, match="unknown charset"):
        TextCodec(charset)


def test_binary_transforms_are_no_charsets() -> None:
    """What Python calls an encoding without being one of text neither reads nor writes."""
    codec = TextCodec("hex")

    with pytest.raises(DecodeError, match="not a text encoding"):
        decode(codec, b"6a")
    with pytest.raises(EncodeError, match="not a text encoding"):
        encode(codec, "j")


@given(st.binary())
def test_bytes_come_back(payload: bytes) -> None:
    """Bytes in any of their three types are written as they are and read back as the type that is wanted."""
    codec = BytesCodec()

    assert encode(codec, payload) == encode(codec, bytearray(payload)) == encode(codec, memoryview(payload)) == payload
    assert decode(codec, payload) == decode(codec, payload, bytes) == payload
    assert decode(codec, payload, bytearray) == bytearray(payload)


@pytest.mark.parametrize("value", [5, "text", None, [1]], ids=repr)
def test_only_bytes_are_written_as_bytes(value: object) -> None:
    """Five is not five zero bytes, and a text not its UTF-8."""
    with pytest.raises(EncodeError, match="cannot be written as the application/octet-stream payload"):
        encode(BytesCodec(), value)


@pytest.mark.parametrize("wanted", [int, str, dict], ids=repr)
def test_bytes_are_never_guessed_into_other_types(wanted: object) -> None:
    """Raw bytes are no text and no number."""
    with pytest.raises(DecodeError, match="the application/octet-stream payload of 2 bytes"):
        decode(BytesCodec(), b"12", wanted)


def test_reprs_are_readable() -> None:
    """A codec shows what it was made with."""
    assert repr(TextCodec("latin-1")) == "TextCodec('iso8859-1')"
    assert repr(BytesCodec()) == "BytesCodec()"
