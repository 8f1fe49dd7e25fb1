"""How long to wait before the next try: full jitter, so that many clients do not come back at once. Pure."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """
    Pauses between tries: uniform between 0 and a bound that doubles.

    Args:
        first: Seconds of the first bound.
        most: Seconds that no pause exceeds.
    """

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._tries = 0

    def pause(self) -> float:
        """Return the seconds to wait before the next try."""
        bound = min(self._most, self._first * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return random.uniform(0, bound)  # noqa: S311 - jitter, not cryptography

    def reset(self) -> None:
        """Begin again, after a try that succeeded."""
        self._tries = 0
