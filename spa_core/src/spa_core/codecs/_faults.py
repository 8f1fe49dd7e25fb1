"""
The sentences of codec errors, worded in one place.

They name sizes and types, never a payload: it may hold secrets. What a codec's library says is passed on; msgspec, for
one, names at most a rejected enum value or a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_origin

from spa_core._suggest import did_you_mean, nearest
from spa_core.codecs._media import parse_media_type
from spa_core.errors import DecodeError, EncodeError, UnknownContentTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["decode_error", "encode_error", "unknown_content_type_error"]

_LONGEST_SHOWN = 100


def decode_error(
    cause: Exception, payload: bytes, wanted: object, *, content_type: str | None, topic: str, is_key: bool
) -> DecodeError:
    """Return the error for a payload that *cause* says cannot be read."""
    part = f"{_part(content_type, is_key=is_key)} of {len(payload)} bytes"
    return DecodeError(
        f"the {part} on {topic!r} cannot be read as {_name(wanted)}: {_words(cause)}", content_type=content_type
    )


def encode_error(
    cause: Exception, value: object, *, content_type: str | None, topic: str, is_key: bool, hint: str | None = None
) -> EncodeError:
    """Return the error for a value that *cause* says cannot be written."""
    part = _part(content_type, is_key=is_key)
    return EncodeError(
        f"a value of type {_name(type(value))} cannot be written as the {part} for {topic!r}: {_words(cause)}",
        content_type=content_type,
        hint=hint,
    )


def unknown_content_type_error(
    content_type: str, installed: Sequence[str], cause: Exception | None = None
) -> UnknownContentTypeError:
    """Return the error for a content type without a codec, or whose plugin failed with *cause*."""
    shown = _shortened(content_type)
    if cause is not None:
        text = f"the codec for content type {shown!r} cannot be used: {_words(cause)}"
        return UnknownContentTypeError(text, content_type=content_type, installed=installed)
    return UnknownContentTypeError(
        f"no codec is installed for content type {shown!r}; installed are: {', '.join(installed)}",
        content_type=content_type,
        installed=installed,
        hint=_way_out(content_type, installed),
    )


def _way_out(content_type: str, installed: Iterable[str]) -> str:
    media = parse_media_type(content_type)
    match = did_you_mean(media.essence, installed) or _match_of_subtype(media.subtype or media.essence, installed)
    entry_point = _shortened(media.subtype)
    plugin = (
        f"A distribution with an entry point '{entry_point}' in the group 'spa_core.codecs' would bring one"
        if media.subtype
        else "A content type has the form 'type/subtype'"
    )
    return f"{match} {plugin}" if match else plugin


def _match_of_subtype(subtype: str, installed: Iterable[str]) -> str | None:
    by_subtype = {name.rpartition("/")[2]: name for name in installed}
    match = nearest(subtype, by_subtype)
    return f"Did you mean '{by_subtype[match]}'?" if match else None


def _part(content_type: str | None, *, is_key: bool) -> str:
    part = "key" if is_key else "payload"
    return f"{content_type} {part}" if content_type else part


def _name(wanted: object) -> str:
    if isinstance(wanted, type) and get_origin(wanted) is None:
        return wanted.__qualname__
    return repr(wanted).removeprefix("typing.")


def _words(cause: Exception) -> str:
    return str(cause).rstrip(".") or type(cause).__name__


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
