"""How long to wait before the next attempt to connect: full jitter under a bound that doubles; pure."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["STEADY", "Backoff"]

STEADY: Final = 10.0
"""Seconds that a connection must have lasted for the next loss to begin anew."""

_MOST_DOUBLINGS: Final = 30


class Backoff:
    """
    Pauses between attempts; it never gives up.

    Full jitter: any pause up to the bound is equally likely, so that a thousand clients of one broker that was
    restarted do not come back in one moment.

    Args:
        least: Seconds of the first bound.
        most: Seconds that no bound exceeds.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most
        self._attempts = 0

    def pause(self) -> float:
        """Return how many seconds to wait now; the bound doubles for the next time."""
        bound = min(self._most, self._least * 2 ** min(self._attempts, _MOST_DOUBLINGS))
        self._attempts += 1
        return random.uniform(0.0, bound)  # noqa: S311 - to spread, not to hide

    def long_pause(self) -> float:
        """Return a pause of the longest kind, from half of it on, for what haste would make worse."""
        return random.uniform(self._most / 2, self._most)  # noqa: S311

    def lasted(self, seconds: float) -> None:
        """Note how long a connection lasted: one that was steady is no sign of trouble when it ends."""
        if seconds >= STEADY:
            self._attempts = 0
