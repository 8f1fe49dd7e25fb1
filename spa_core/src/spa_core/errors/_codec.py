"""What goes wrong between bytes and objects; knows nothing of how the bytes travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.errors._base import SpaError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CodecError",
    "DecodeError",
    "EncodeError",
    "UnknownContentTypeError",
]


class CodecError(SpaError):
    """
    Something went wrong between bytes and objects.

    Attributes:
        content_type: The content type in question, or ``None`` if the message had none.
    """

    def __init__(self, message: str, *, content_type: str | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.content_type = content_type


class DecodeError(CodecError, ValueError):
    """A payload is not what its content type or the wanted type says."""


class EncodeError(CodecError, TypeError):
    """An object cannot be written in the content type."""


class UnknownContentTypeError(CodecError):
    """
    No codec is installed for a content type.

    Attributes:
        installed: The content types that are installed, sorted.
    """

    def __init__(
        self, message: str, *, content_type: str | None, installed: Sequence[str], hint: str | None = None
    ) -> None:
        super().__init__(message, content_type=content_type, hint=hint)
        self.installed = tuple(installed)
