"""What a codec is; knows no format."""

# ruff: noqa: ANN401 - a wanted type is any annotation, and what is read is of that type

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = ["Codec"]


@runtime_checkable
class Codec(Protocol):
    """
    Turns objects into bytes of one format and back.

    A distribution brings one through an entry point in the group ``spa_core.codecs`` whose name is the media subtype
    (``cbor``, ``vnd.acme.v1``), or an application hands it to :class:`~spa_core.codecs.CodecRegistry`. A codec keeps no
    state of single messages: it is shared by all sockets and may be called from several threads.

    Example:
        >>> from spa_core.codecs import CodecRegistry
        >>> class HexCodec:
        ...     content_types = ("application/vnd.acme.hex",)
        ...
        ...     def encode(self, value, *, topic, headers, is_key):
        ...         headers["digits"] = "lower"
        ...         return format(value, "x").encode()
        ...
        ...     def decode(self, payload, wanted, *, topic, headers, is_key):
        ...         return int(payload, 16)
        >>> registry = CodecRegistry([HexCodec()])
        >>> headers = {}
        >>> registry.encode(255, "application/vnd.acme.hex", topic="readings", headers=headers)
        (b'ff', 'application/vnd.acme.hex')
        >>> headers
        {'digits': 'lower'}
    """

    @property
    def content_types(self) -> tuple[str, ...]:
        """The content types it serves, lower case and without parameters; the first is the preferred one."""
        ...

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:
        """
        Write *value*.

        Args:
            value: What was published; never ``None``, ``bytes`` or, but for text codecs, ``str``.
            topic: Where the message will be published.
            headers: The message's headers; may be added to, for instance with a schema id.
            is_key: Whether *value* is the message's key. Equal keys must give equal bytes.

        Raises:
            EncodeError: *value* cannot be written. Any other exception is turned into one.
        """
        ...

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:
        """
        Read *payload*.

        Args:
            payload: The bytes as they arrived; nobody has vouched for them.
            wanted: The type annotation the result must fit; ``Any`` and ``object`` take whatever the payload holds.
            topic: Where the message was published.
            headers: The message's headers.
            is_key: Whether *payload* is the message's key.

        Raises:
            DecodeError: *payload* is not of this format or does not fit *wanted*. Any other exception is turned into
                one.
        """
        ...
