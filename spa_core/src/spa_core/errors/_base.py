"""The root of the tree: one sentence and the way out; knows no error in particular."""

from __future__ import annotations

from typing import Any

__all__ = ["SpaError"]


class SpaError(Exception):
    """
    The root of every error SPA raises.

    Attributes:
        message: One sentence naming the culprit, without a final full stop.
        hint: The way out, or ``None`` where there is none to give.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception's own way would call the class with the message alone, and most subclasses ask for keywords.
        return _blank, (type(self),), {**vars(self), "args": self.args}


def _blank(kind: type[SpaError]) -> SpaError:
    return kind.__new__(kind)
