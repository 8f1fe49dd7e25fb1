"""A text that must not be seen; knows how to hide it, not what it opens."""

from __future__ import annotations

import hmac

__all__ = ["Secret"]


class Secret:
    """
    A text, such as a password, that shows itself only when asked by name.

    ``repr``, ``str`` and every format give ``***``, whatever the length. Secrets compare in constant time, and only
    with secrets: a secret never equals a plain text. A secret of an empty text is false.

    Example:
        >>> password = Secret("hunter2")
        >>> password, f"{password:>10}", password.reveal()
        (***, '***', 'hunter2')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - not every caller is typed
            raise TypeError(f"a Secret is made of a str, not of {type(text).__name__}")
        self._text = text

    def reveal(self) -> str:
        """Return the text in clear; for the one call that needs it, never for a message to people."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return repr(self)  # a width would change nothing but the number of blanks

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
