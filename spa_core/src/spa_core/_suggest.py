"""The nearest match to a misspelt word; knows nothing of what the words mean."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option most like *word*, or ``None`` if none is close."""
    matches = difflib.get_close_matches(word, list(options), n=1)
    return matches[0] if matches else None


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """Return ``"Did you mean 'x'?"`` for the nearest option, or ``None`` if none is close."""
    match = nearest(word, options)
    return f"Did you mean '{match}'?" if match else None
