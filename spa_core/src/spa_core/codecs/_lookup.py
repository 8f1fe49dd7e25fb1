"""
Finds the codec of a content type: registered ones first, then plugins, then the same for the suffix.

Where plugins come from is the business of the function it is given. Every answer is kept, so that a content type that
was seen before costs one dict lookup, and a plugin is asked for once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, cast

from spa_core.codecs._faults import unknown_content_type_error
from spa_core.codecs._media import MediaType, parse_media_type
from spa_core.codecs._memo import Memo
from spa_core.codecs._plain import BytesCodec, TextCodec
from spa_core.codecs._protocol import Codec
from spa_core.codecs._structured import JsonCodec, MsgpackCodec
from spa_core.errors import ConfigurationError, PluginConflictError, SpaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CodecLookup", "UnusableCodec"]

_BUILT_IN: Final[tuple[Codec, ...]] = (JsonCodec(), MsgpackCodec(), TextCodec(), BytesCodec())
_LONGEST_KEPT: Final = 255  # characters of a content type; a longer one is served, but takes no memory


class UnusableCodec:
    """Stands for a codec that is there but failed, so that it is asked for once and refused each time."""

    def __init__(self, content_type: str, cause: SpaError, installed: Callable[[], tuple[str, ...]]) -> None:
        self._content_type = content_type
        self._cause = cause
        self._installed = installed

    def refuse(self) -> NoReturn:
        """
        Raise what is wrong.

        Raises:
            UnknownContentTypeError: Always; the reason is chained.
        """
        raise unknown_content_type_error(self._content_type, self._installed(), self._cause) from self._cause

    def decode(self, *_: object, **__: object) -> NoReturn:
        """Do what :meth:`refuse` does, in the place of a codec's ``decode``."""
        self.refuse()


class CodecLookup:
    """
    The codecs by content type.

    Attributes:
        by_content_type: The codec of a content type as it was written, ``None`` where there is none.
    """

    def __init__(
        self,
        codecs: Iterable[Codec],
        find: Callable[[str], Codec | None] | None,
        known: Callable[[], Iterable[str]] | None,
    ) -> None:
        self._registered = _claims(_BUILT_IN) | _claims(codecs)
        self._find = find
        self._known = known
        self.by_content_type = Memo(self._resolve, worth_keeping=lambda text: len(text) <= _LONGEST_KEPT)

    def registered(self) -> tuple[str, ...]:
        """Return the content types that are served without plugins, sorted."""
        return tuple(sorted(self._registered))

    def codec_for(self, content_type: str) -> Codec:
        """
        Return the codec of *content_type*.

        Raises:
            UnknownContentTypeError: There is none, or it cannot be used.
        """
        codec = self.by_content_type[content_type]
        if codec is None:
            self.refuse(content_type)
        if isinstance(codec, UnusableCodec):
            codec.refuse()
        return codec

    def refuse(self, content_type: str) -> NoReturn:
        """
        Raise that nobody serves *content_type*.

        Raises:
            UnknownContentTypeError: Always.
        """
        raise unknown_content_type_error(content_type, self._installed())

    def _resolve(self, content_type: str) -> Codec | UnusableCodec | None:
        media = parse_media_type(content_type)
        try:
            codec = self._search(media)
            return TextCodec(media.charset) if media.charset and type(codec) is TextCodec else codec
        except SpaError as cause:
            return UnusableCodec(content_type, cause, self._installed)

    def _search(self, media: MediaType) -> Codec | None:
        exact = (media.essence, media.subtype)
        by_suffix = (f"application/{media.suffix}", media.suffix)
        for essence, subtype in (exact, by_suffix):
            codec = self._registered.get(essence)
            if codec is None and subtype and self._find is not None:
                codec = self._find(subtype)
            if codec is not None:
                return _checked(codec)
        return None

    def _installed(self) -> tuple[str, ...]:
        further = self._known() if self._known is not None else ()
        return tuple(sorted({*self._registered, *further}))


def _claims(codecs: Iterable[Codec]) -> dict[str, Codec]:
    claims: dict[str, Codec] = {}
    for codec in codecs:
        for content_type in _checked(codec).content_types:
            essence = parse_media_type(content_type).essence
            first = claims.setdefault(essence, codec)
            if first is not codec:
                names = sorted((_name(first), _name(codec)))
                raise PluginConflictError(
                    f"the content type {essence!r} is claimed by {' and '.join(names)}",
                    plugin=essence,
                    distributions=names,
                    hint="Give only one of them",
                )
    return claims


def _checked(codec: object) -> Codec:
    if isinstance(codec, type) or not isinstance(codec, Codec):
        raise ConfigurationError(
            f"{_name(codec)} is no codec", hint="Give an object with content_types, encode and decode, not its class"
        )
    content_types = cast("object", codec.content_types)
    if not isinstance(content_types, tuple):
        raise ConfigurationError(f"the content_types of {_name(codec)} must be a tuple")
    return codec


def _name(codec: object) -> str:
    kind = codec if isinstance(codec, type) else type(codec)
    return f"{kind.__module__}.{kind.__qualname__}"
