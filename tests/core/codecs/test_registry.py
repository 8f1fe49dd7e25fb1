"""The rules between values and payloads."""

from __future__ import annotations

import array
import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.codecs import CodecRegistry
from spa_core.errors import CodecError, DecodeError, EncodeError, UnknownContentTypeError
from spa_core.message import SpaMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping


class Reading(msgspec.Struct):
    """One measurement."""

    flow: float


class TracingCodec:
    """A codec that shows what it is given."""

    content_types = ("application/vnd.trace",)

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:
        """Write the value's text and leave a trace in the headers."""
        headers["trace"] = f"{topic} {is_key}"
        return str(value).encode()

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:  # noqa: ANN401
        """Return all that was given."""
        return payload, wanted, topic, dict(headers), is_key


class FailingCodec:
    """A codec that breaks its promise to raise codec errors only."""

    content_types = ("application/vnd.failing",)

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:  # noqa: ARG002
        """Fail."""
        raise KeyError("lost")

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:  # noqa: ANN401, ARG002
        """Fail."""
        raise ZeroDivisionError


def message(payload: bytes | str, content_type: str | None = None, **fields: object) -> SpaMessage:
    """Make a message to read."""
    return SpaMessage.build("plants/north", payload, content_type=content_type, **fields)


def encode(value: object, content_type: str | None = None, **options: Any) -> tuple[bytes, str | None]:
    """Write *value* with the built-in codecs."""
    return CodecRegistry().encode(value, content_type, topic="plants/north", headers={}, **options)


@pytest.mark.parametrize("content_type", [None, "application/json", "made/up"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=["bytes", "bytearray", "memoryview"])
@given(st.binary())
def test_bytes_are_taken_as_they_are(kind: type, content_type: str | None, payload: bytes) -> None:
    """Bytes are already encoded, whatever the content type says, and it stays as given."""
    assert encode(kind(payload), content_type) == (payload, content_type)


def test_memory_of_other_items_is_taken_as_its_bytes() -> None:
    """A view on numbers is written as the bytes it covers."""
    numbers = array.array("H", [1, 2])

    assert encode(memoryview(numbers)) == (numbers.tobytes(), None)


@pytest.mark.parametrize("content_type", [None, "application/json", "made/up", "text/plain", "Text/Plain; format=x"])
@given(st.text())
def test_text_is_taken_as_utf_8(content_type: str | None, text: str) -> None:
    """A text is already encoded, whatever the content type says, and it stays as given."""
    assert encode(text, content_type) == (text.encode(), content_type)


def test_text_is_written_in_its_charset() -> None:
    """A text whose content type names a charset is written in it, so that the label is true."""
    content_type = "text/plain; charset=iso-8859-1"

    assert encode("ä", content_type) == (b"\xe4", content_type)
    assert CodecRegistry().decode(message(b"\xe4", content_type), str) == "ä"
    assert CodecRegistry().decode(message(b"\xe4", content_type)) == "ä"


@pytest.mark.parametrize("content_type", [None, "text/plain"])
def test_text_that_is_no_unicode_is_an_encode_error(content_type: str | None) -> None:
    """A lone surrogate cannot be written, and the error does not repeat the text."""
    with pytest.raises(EncodeError, match="a value of type str cannot be written as the") as caught:
        encode("hunter2\ud800", content_type)

    assert "hunter2" not in str(caught.value)
    assert caught.value.content_type == content_type


def test_none_is_an_empty_payload_that_optional_types_read_back() -> None:
    """None is no body at all, and a type that allows it gets it back."""
    registry = CodecRegistry()

    assert encode(None, "application/json") == (b"", None)
    assert registry.decode(message(b""), Reading | None) is None
    assert registry.decode(message(b""), Annotated[Reading | None, {"no": "hash"}]) is None
    assert registry.decode(message(b"")) == b""
    assert registry.decode(message(b""), str) == ""
    with pytest.raises(DecodeError, match="payload of 0 bytes"):
        registry.decode(message(b""), Reading)
    with pytest.raises(DecodeError, match="must be tagged"):
        registry.decode(message(b""), Reading | SpaMessage)


def test_objects_go_through_the_default_codec() -> None:
    """An object without a content type is written as JSON and says so."""
    assert encode(Reading(1.5)) == (b'{"flow":1.5}', "application/json")


def test_objects_go_through_the_codec_of_their_content_type() -> None:
    """An object with a content type is written in it, and the content type stays as given."""
    payload, content_type = encode(Reading(1.5), "Application/MsgPack; v=1")

    assert (msgspec.msgpack.decode(payload), content_type) == ({"flow": 1.5}, "Application/MsgPack; v=1")


def test_objects_for_an_unknown_content_type_are_refused() -> None:
    """An object cannot be written in a content type nobody serves."""
    with pytest.raises(UnknownContentTypeError):
        encode(Reading(1.5), "made/up")


def test_default_content_type_can_be_another_one() -> None:
    """What has no content type is written and read in the registry's default."""
    registry = CodecRegistry(default_content_type="application/msgpack")

    payload, content_type = registry.encode({"flow": 1.5}, topic="t", headers={})

    assert content_type == registry.default_content_type == "application/msgpack"
    assert registry.decode(message(payload), Reading) == Reading(1.5)


def test_codec_sees_topic_headers_and_key() -> None:
    """A codec is told topic and headers, may add headers when writing, and knows whether it handles a key."""
    registry = CodecRegistry([TracingCodec()])
    headers: dict[str, str] = {}
    kind = "application/vnd.trace"

    assert registry.encode(5, kind, topic="t", headers=headers) == (b"5", kind)
    assert headers == {"trace": "t False"}
    assert registry.encode_key(6, kind, topic="t", headers=headers) == b"6"
    assert headers == {"trace": "t True"}
    incoming = message(b"5", kind, key=b"6", headers={"schema": "7"})
    assert registry.decode(incoming, int) == (b"5", int, "plants/north", {"schema": "7"}, False)
    assert registry.decode_key(incoming, int) == (b"6", int, "plants/north", {"schema": "7"}, True)


def test_foreign_exceptions_of_codecs_become_codec_errors() -> None:
    """A codec that raises something else cannot break the promise of the registry."""
    registry = CodecRegistry([FailingCodec()])
    incoming = message(b"x", "application/vnd.failing", key=b"k")

    with pytest.raises(EncodeError, match="lost"):
        registry.encode(5, "application/vnd.failing", topic="t", headers={})
    with pytest.raises(DecodeError, match="ZeroDivisionError") as caught:
        registry.decode(incoming, int)
    assert caught.value.content_type == "application/vnd.failing"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(DecodeError, match="key of 1 bytes"):
        registry.decode_key(incoming, int)


@pytest.mark.parametrize("content_type", [None, "", "application/json", "made/up"])
def test_wanted_bytes_are_the_payload(content_type: str | None) -> None:
    """Whoever wants bytes gets the payload as it is, whatever the content type."""
    registry = CodecRegistry()
    incoming = message(b'"x"', content_type)

    assert registry.decode(incoming, bytes) == b'"x"'
    assert registry.decode(incoming, bytearray) == bytearray(b'"x"')
    assert registry.decode(incoming, memoryview) == memoryview(b'"x"')


@pytest.mark.parametrize("wanted", [Any, object], ids=repr)
def test_untyped_bodies(wanted: object) -> None:
    """Without a wanted type, a known content type is decoded and anything else stays bytes."""
    registry = CodecRegistry()

    assert registry.decode(message(b"[1]", "application/json"), wanted) == [1]
    assert registry.decode(message(b"[1]"), wanted) == b"[1]"
    assert registry.decode(message(b"[1]", ""), wanted) == b"[1]"
    assert registry.decode(message(b"[1]", "made/up"), wanted) == b"[1]"
    assert registry.decode(message(b"[1]", "text/plain"), wanted) == "[1]"
    assert registry.decode(message(b"[1]", "application/json")) == [1]


def test_wanted_text() -> None:
    """Whoever wants text gets a JSON string decoded, and UTF-8 where no codec is known."""
    registry = CodecRegistry()

    assert registry.decode(message(b'"x"', "application/json"), str) == "x"
    assert registry.decode(message(b'"x"'), str) == '"x"'
    assert registry.decode(message(b'"x"', "made/up"), str) == '"x"'
    with pytest.raises(DecodeError, match="the made/up payload of 1 bytes on 'plants/north' cannot be read as str"):
        registry.decode(message(b"\xff", "made/up"), str)
    with pytest.raises(DecodeError, match="the payload of 1 bytes on 'plants/north' cannot be read as str") as caught:
        registry.decode(message(b"\xff"), str)
    assert caught.value.content_type is None


def test_typed_bodies() -> None:
    """A typed body is read by content type, by the default without one, and refused for an unknown one."""
    registry = CodecRegistry()
    incoming = message(b'{"flow":1.5}')

    assert registry.decode(incoming, Reading) == Reading(1.5)
    assert registry.decode(incoming.replace(content_type="application/vnd.acme+json"), Reading) == Reading(1.5)
    with pytest.raises(UnknownContentTypeError, match="no codec is installed for content type 'made/up'") as caught:
        registry.decode(incoming.replace(content_type="made/up"), Reading)
    assert caught.value.content_type == "made/up"


def test_prepared_decoder_does_what_decode_does() -> None:
    """A decoder that was prepared for one type serves messages of every content type."""
    decode = CodecRegistry().decoder(Reading)

    assert decode(message(b'{"flow":1.5}')) == Reading(1.5)
    assert decode(message(b"\x81\xa4flow\x01", "application/msgpack")) == Reading(1.0)


@given(
    st.binary(),
    st.none() | st.sampled_from(["application/json", "application/msgpack", "text/plain", "x/y"]) | st.text(),
    st.sampled_from([Any, object, bytes, bytearray, str, int, Reading, Reading | None, list[str]]),
)
def test_arbitrary_messages_raise_nothing_but_codec_errors(
    payload: bytes, content_type: str | None, wanted: object
) -> None:
    """Whatever arrives, it is read or refused with a CodecError, as payload and as key."""
    registry = CodecRegistry()
    incoming = message(payload, content_type, key=payload)

    for read in (registry.decode, registry.decode_key):
        with contextlib.suppress(CodecError):
            read(incoming, wanted)


@given(st.none() | st.binary() | st.text())
def test_plain_keys_come_back(key: bytes | str | None) -> None:
    """No key stays none, bytes stay bytes and a text is UTF-8 whatever the content type of the message."""
    registry = CodecRegistry()

    for content_type in (None, "application/json", "made/up", "text/plain; charset=utf-16"):
        written = registry.encode_key(key, content_type, topic="t", headers={})
        incoming = message(b"", content_type, key=written)
        assert registry.decode_key(incoming, str if isinstance(key, str) else bytes) == key
        assert registry.decode_key(incoming) == registry.decode_key(incoming, object) == written


@pytest.mark.parametrize("content_type", [None, "application/msgpack"])
def test_typed_keys_share_the_content_type_of_their_message(content_type: str | None) -> None:
    """A key that is an object is written and read with the message's codec, or the default one."""
    registry = CodecRegistry()
    key = registry.encode_key(Reading(1.5), content_type, topic="t", headers={})

    assert registry.decode_key(message(b"", content_type, key=key), Reading) == Reading(1.5)


def test_keys_that_do_not_fit_are_refused() -> None:
    """A key is an error where its type or content type does not fit."""
    registry = CodecRegistry()

    with pytest.raises(DecodeError, match="the key of 1 bytes on 'plants/north' cannot be read as str"):
        registry.decode_key(message(b"", key=b"\xff"), str)
    with pytest.raises(UnknownContentTypeError):
        registry.decode_key(message(b"", "made/up", key=b"1"), int)
    with pytest.raises(EncodeError, match="cannot be written as the key"):
        registry.encode_key("\ud800", topic="t", headers={})
