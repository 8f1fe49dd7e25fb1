"""Turning what a program wants to send into a message: identity and encoding, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from spa_core.message import NO_HEADERS, SpaMessage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from spa_core.codecs import CodecRegistry

__all__ = ["MessageBuilder", "MessageFields"]


class MessageFields(TypedDict, total=False):
    """The fields of :class:`~spa_core.SpaMessage` that may be given beside topic and payload."""

    content_type: str | None
    client_id: str | None
    client_name: str | None
    response_topic: str | None
    correlation_id: str | None
    message_id: str | None
    timestamp: float | None
    key: object
    headers: Mapping[str, str]
    quality_of_service: int | None
    retain: bool
    ttl: float | None


class MessageBuilder:
    """
    Makes messages that carry the application's identity; injected into handlers as ``message_builder``.

    ``bytes`` and ``str`` payloads and keys are taken as they are, already encoded; every other object is encoded in its
    ``content_type`` (JSON if none is given).

    Example:
        >>> from spa_core.codecs import CodecRegistry
        >>> build = MessageBuilder(CodecRegistry(), client_id="c1", client_name="sensor")
        >>> build(topic="plants/north/flow", payload={"litres": 100.6}).payload
        b'{"litres":100.6}'
    """

    __slots__ = ("_codecs", "client_id", "client_name")

    def __init__(self, codecs: CodecRegistry, *, client_id: str | None, client_name: str | None) -> None:
        self._codecs = codecs
        self.client_id = client_id
        self.client_name = client_name

    def __call__(self, topic: str, payload: object = b"", **fields: Unpack[MessageFields]) -> SpaMessage:
        """
        Make a message.

        Raises:
            EncodeError: *payload* cannot be written in the content type.
            UnknownContentTypeError: No codec is installed for the content type.
        """
        return self.make(topic, payload, fields)  # type: ignore[arg-type]  # a typed dict is a dict

    def make(self, topic: str, payload: object, fields: dict[str, Any]) -> SpaMessage:
        """
        Make a message; *fields* is used up.

        Raises:
            EncodeError: *payload* or the key cannot be written in the content type.
            UnknownContentTypeError: No codec is installed for the content type.
        """
        headers: dict[str, str] = {}
        key = content_type = None
        if fields:
            if "headers" in fields:
                headers.update(fields.pop("headers"))
            content_type = fields.pop("content_type", None)
            key = self._encoded_key(fields.pop("key", None), content_type, topic, headers)
        # Bytes and ASCII need no codec; other text may hold what cannot be encoded, which the codecs tell.
        if type(payload) is not bytes and (
            type(payload) is not str or content_type is not None or not payload.isascii()
        ):
            payload, content_type = self._codecs.encode(payload, content_type, topic=topic, headers=headers)
        if not fields:
            # Apart from the others, because what is named in a call costs half of what is unpacked from a dict.
            return SpaMessage(
                topic=topic,
                payload=payload,  # type: ignore[arg-type]  # str is stored as bytes
                content_type=content_type,
                client_id=self.client_id,
                client_name=self.client_name,
                key=key,
                headers=headers or NO_HEADERS,
            )
        fields.setdefault("client_id", self.client_id)
        fields.setdefault("client_name", self.client_name)
        if headers:
            fields["headers"] = headers
        return SpaMessage(topic=topic, payload=payload, content_type=content_type, key=key, **fields)  # type: ignore[arg-type]

    def _encoded_key(self, key: object, content_type: str | None, topic: str, headers: dict[str, str]) -> bytes | None:
        if key is None or type(key) is bytes:
            return key
        if type(key) is str and key.isascii():
            return key.encode()
        return self._codecs.encode_key(key, content_type, topic=topic, headers=headers)
