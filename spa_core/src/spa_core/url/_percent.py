"""Percent-encoding by RFC 3986, strict in reading; knows characters, not the parts of a URL."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from spa_core.url._fault import fault

__all__ = ["decode", "encode", "is_encodable"]

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(scheme: str, part: str, text: str) -> str:
    """
    Return *text* with every ``%XX`` decoded as UTF-8; a plus sign stays one.

    Args:
        scheme: The URL's scheme, for the error.
        part: What the text is, for the error.
        text: The encoded text.

    Raises:
        UrlError: An escape is broken, or the bytes are not UTF-8.
    """
    if _BROKEN_ESCAPE.search(text):
        reason = f"has a '%' in its {part} without two hexadecimal digits behind it"
        raise fault(scheme, reason, hint="Write the percent sign itself as %25")
    # A UnicodeDecodeError would carry the bytes, and a password may be among them: let what is not UTF-8 show itself
    # as surrogates instead.
    decoded = unquote(text, errors="surrogateescape")
    if not is_encodable(decoded):
        raise fault(scheme, f"has escapes in its {part} that are not UTF-8")
    return decoded


def encode(text: str, *, safe: str = "") -> str:
    """Return *text* with everything but letters, digits, ``-._~`` and the *safe* characters percent-encoded."""
    return quote(text, safe=safe)


def is_encodable(text: str) -> bool:
    """Return whether UTF-8 can write *text*: it holds no lone surrogate."""
    return _SURROGATE.search(text) is None
