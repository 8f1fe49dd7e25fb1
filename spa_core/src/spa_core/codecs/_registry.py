"""
The rules between values and payloads: what is taken as it is, what goes through a codec, and what happens without one.

It knows messages and wanted types. Whatever does not depend on the single message is worked out once and kept in
bounded tables, so that a message costs little more than its codec.
"""

# ruff: noqa: ANN401 - a wanted type is any annotation, and what is read is of that type

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeGuard

import msgspec

from spa_core.codecs._faults import decode_error, encode_error
from spa_core.codecs._lookup import CodecLookup, UnusableCodec
from spa_core.codecs._media import parse_media_type
from spa_core.codecs._memo import Memo
from spa_core.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from spa_core.codecs._protocol import Codec
    from spa_core.errors import DecodeError
    from spa_core.message import SpaMessage

    Decode = Callable[[SpaMessage], Any]

__all__ = ["CodecRegistry"]

_RAW: Final = (bytes, bytearray, memoryview)
_ENCODED: Final[tuple[type, ...]] = (*_RAW, str, type(None))  # what no codec is asked for


class CodecRegistry:
    """
    The codecs by content type.

    Content types are compared without parameters and without regard to case. ``application/vnd.acme+json`` goes to the
    codec of that very type if there is one, else to that of its suffix, ``application/json``. The charset of
    ``text/plain`` is respected. There is no pickle.

    Args:
        codecs: Further codecs; they win over the built-in ones (JSON, MessagePack, text, bytes).
        default_content_type: What objects are written in, and typed bodies without a content type are read as.
        find: Asked for a codec by media subtype (``cbor``), once for each content type that has none here.
        known: The media subtypes *find* would answer, for error messages.

    Raises:
        ConfigurationError: One of *codecs* is no codec.
        PluginConflictError: Two of *codecs* claim one content type.
        UnknownContentTypeError: Nobody serves *default_content_type*.

    Example:
        >>> from spa_core.message import SpaMessage
        >>> registry = CodecRegistry()
        >>> payload, content_type = registry.encode({"flow": 100.6}, topic="plants/north", headers={})
        >>> payload, content_type
        (b'{"flow":100.6}', 'application/json')
        >>> registry.decode(SpaMessage(topic="plants/north", payload=payload), dict[str, float])
        {'flow': 100.6}
    """

    def __init__(
        self,
        codecs: Iterable[Codec] = (),
        *,
        default_content_type: str = "application/json",
        find: Callable[[str], Codec | None] | None = None,
        known: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._lookup = CodecLookup(codecs, find, known)
        self._codecs = self._lookup.by_content_type
        self._decoders = Memo(self.decoder)
        self.default_content_type = default_content_type
        self._default = self.codec_for(default_content_type)

    @property
    def content_types(self) -> tuple[str, ...]:
        """The content types that are served without plugins, sorted."""
        return self._lookup.registered()

    def codec_for(self, content_type: str) -> Codec:
        """
        Return the codec of *content_type*.

        Raises:
            UnknownContentTypeError: There is none, or its plugin cannot be used; names what is installed, the nearest
                match and what would help.
        """
        return self._lookup.codec_for(content_type)

    def encode(
        self,
        value: object,
        content_type: str | None = None,
        *,
        topic: str,
        headers: MutableMapping[str, str],
        is_key: bool = False,
    ) -> tuple[bytes, str | None]:
        """
        Turn a published value into a payload and its content type.

        - ``bytes``, ``bytearray`` and ``memoryview`` are taken as they are; the content type stays as given.
        - ``str`` is taken as text that is already encoded: UTF-8, or the charset of a given ``text/plain``; the content
          type stays as given.
        - ``None`` is no body at all: an empty payload without content type, which a type such as ``Reading | None``
          reads back as ``None``.
        - Anything else goes through the codec of *content_type*, or of the default content type.

        Args:
            value: What was published.
            content_type: What the sender says about *value*.
            topic: Where the message will be published.
            headers: The message's headers; the codec may add some.
            is_key: Whether *value* is the message's key.

        Raises:
            EncodeError: *value* cannot be written in the content type.
            UnknownContentTypeError: No codec for the content type.
        """
        if isinstance(value, _ENCODED):
            return self._take_as_it_is(value, content_type, topic, headers, is_key=is_key)
        if content_type:
            codec = self.codec_for(content_type)
        else:
            codec, content_type = self._default, self.default_content_type
        return _encoded(codec, value, content_type, topic, headers, is_key=is_key), content_type

    def encode_key(
        self, value: object, content_type: str | None = None, *, topic: str, headers: MutableMapping[str, str]
    ) -> bytes | None:
        """
        Turn a published key into bytes: as :meth:`encode` does, but ``None`` is no key and ``str`` always UTF-8.

        Args:
            value: The key.
            content_type: The message's content type, which its key shares.
            topic: Where the message will be published.
            headers: The message's headers; the codec may add some.

        Raises:
            EncodeError: *value* cannot be written in the content type.
            UnknownContentTypeError: No codec for the content type.
        """
        if value is None:
            return None
        return self.encode(value, content_type, topic=topic, headers=headers, is_key=True)[0]

    def decode(self, message: SpaMessage, wanted: Any = Any) -> Any:
        """
        Read the payload of *message* as *wanted*; the rules are those of :meth:`decoder`.

        Raises:
            DecodeError: The payload is not of its content type or does not fit *wanted*.
            UnknownContentTypeError: *wanted* is a type, and no codec is installed for the content type.
        """
        return self._decoders.of(wanted)(message)

    def decoder(self, wanted: Any) -> Decode:
        """
        Return a function that reads payloads as *wanted*, with all looked up that no message changes.

        ========================  ======================  ======================  ==========================
        *wanted*                  known content type      no content type         unknown content type
        ========================  ======================  ======================  ==========================
        ``bytes`` and its like    the payload             the payload             the payload
        ``Any``, ``object``       what the codec reads    the payload             the payload
        ``str``                   what the codec reads    the text, as UTF-8      the text, as UTF-8
        any other type            what the codec reads    the default codec's     UnknownContentTypeError
        ========================  ======================  ======================  ==========================

        An empty payload without content type is ``None`` where the type allows it. A codec that is installed but cannot
        be used is an error in every row but the first: quietly giving bytes instead would be a surprise.

        Args:
            wanted: A type annotation with its forward references resolved.
        """
        if wanted in _RAW:
            return _payload if wanted is bytes else lambda message: wanted(message.payload)
        if wanted is str:
            return self._decode_with(str, absent=_text, unknown=_text)
        if wanted is Any or wanted is object:
            return self._decode_with(Any, absent=_payload, unknown=_payload)
        return self._decode_with(
            wanted,
            absent=lambda message: self._decode_bare(message, wanted),
            unknown=self._refuse,
        )

    def decode_key(self, message: SpaMessage, wanted: Any = Any) -> Any:
        """
        Read the key of *message* as *wanted*.

        ``bytes``, ``Any`` and ``object`` give the key as it is, ``str`` gives it as UTF-8; any other type goes through
        the codec of the message's content type, or of the default content type. Without a key it is ``None``.

        Raises:
            DecodeError: The key does not fit *wanted*.
            UnknownContentTypeError: *wanted* is a type, and no codec is installed for the content type.
        """
        key = message.key
        if key is None or wanted is bytes or wanted is Any or wanted is object:
            return key
        if wanted is str:
            return _utf_8(key, message, is_key=True)
        codec = self.codec_for(message.content_type) if message.content_type else self._default
        return _decoded(codec, key, wanted, message, is_key=True)

    def _decode_with(self, wanted: Any, *, absent: Decode, unknown: Decode) -> Decode:
        codecs = self._codecs

        def decode(message: SpaMessage) -> Any:
            content_type = message.content_type
            if not content_type:
                return absent(message)
            codec = codecs[content_type]
            if codec is None:
                return unknown(message)
            try:
                # As _decoded(), without the price of a call for each message.
                return codec.decode(message.payload, wanted, topic=message.topic, headers=message.headers, is_key=False)
            except CodecError:
                raise
            except Exception as cause:
                raise _foreign(cause, message.payload, wanted, message) from cause

        return decode

    def _decode_bare(self, message: SpaMessage, wanted: Any) -> Any:
        if not message.payload and _takes_none(wanted):
            return None
        return _decoded(self._default, message.payload, wanted, message)

    def _refuse(self, message: SpaMessage) -> NoReturn:
        self._lookup.refuse(message.content_type or "")

    def _take_as_it_is(
        self, value: object, content_type: str | None, topic: str, headers: MutableMapping[str, str], *, is_key: bool
    ) -> tuple[bytes, str | None]:
        if isinstance(value, str):
            return self._encode_text(value, content_type, topic, headers, is_key=is_key), content_type
        return (bytes(value), content_type) if _is_raw(value) else (b"", None)

    def _encode_text(
        self, text: str, content_type: str | None, topic: str, headers: MutableMapping[str, str], *, is_key: bool
    ) -> bytes:
        if content_type and not is_key and parse_media_type(content_type).essence == "text/plain":
            return _encoded(self.codec_for(content_type), text, content_type, topic, headers, is_key=False)
        try:
            return text.encode()
        except UnicodeEncodeError as cause:
            raise encode_error(cause, text, content_type=content_type, topic=topic, is_key=is_key) from cause


def _is_raw(value: object) -> TypeGuard[bytes | bytearray | memoryview[int]]:
    return isinstance(value, _RAW)


def _encoded(
    codec: Codec, value: object, content_type: str, topic: str, headers: MutableMapping[str, str], *, is_key: bool
) -> bytes:
    try:
        return codec.encode(value, topic=topic, headers=headers, is_key=is_key)
    except CodecError:
        raise
    except Exception as cause:
        raise encode_error(cause, value, content_type=content_type, topic=topic, is_key=is_key) from cause


def _decoded(
    codec: Codec | UnusableCodec, payload: bytes, wanted: Any, message: SpaMessage, *, is_key: bool = False
) -> Any:
    try:
        return codec.decode(payload, wanted, topic=message.topic, headers=message.headers, is_key=is_key)
    except CodecError:
        raise
    except Exception as cause:
        raise _foreign(cause, payload, wanted, message, is_key=is_key) from cause


def _foreign(
    cause: Exception, payload: bytes, wanted: Any, message: SpaMessage, *, is_key: bool = False
) -> DecodeError:
    """Return the error for what a codec raised that is no error of ours."""
    return decode_error(cause, payload, wanted, content_type=message.content_type, topic=message.topic, is_key=is_key)


def _payload(message: SpaMessage) -> bytes:
    return message.payload


def _text(message: SpaMessage) -> str:
    return _utf_8(message.payload, message)


def _utf_8(payload: bytes, message: SpaMessage, *, is_key: bool = False) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as cause:
        raise decode_error(
            cause, payload, str, content_type=message.content_type, topic=message.topic, is_key=is_key
        ) from cause


def _takes_none(wanted: Any) -> bool:
    try:
        msgspec.convert(None, wanted)
    except Exception:  # noqa: BLE001 - a type msgspec cannot read takes no None either
        return False
    return True
