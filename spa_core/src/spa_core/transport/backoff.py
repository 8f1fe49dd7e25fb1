"""How long to wait before the next try: full jitter, so that many clients do not come back in one moment; pure."""

from __future__ import annotations

import random
from typing import ClassVar, Final

__all__ = ["Backoff", "longest_pause"]

_MOST_DOUBLINGS: Final = 64
"""2.0 ** 1024 does not exist, and something may be tried again for days."""


def longest_pause(first: float, most: float, *, failures: int) -> float:
    """Return the bound of the pause, in seconds, after so many *failures*: *first* after one, doubling up to *most*."""
    return min(most, first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))


class Backoff:
    """
    Pauses between tries, such as attempts to reconnect: uniform between 0 and a bound that doubles; it never gives up.

    Args:
        first: Seconds of the first bound.
        most: Seconds that no pause exceeds.

    Attributes:
        STEADY: Seconds that a connection must have lasted for its end to be no sign of trouble.

    Example:
        >>> backoff = Backoff(0.1, 30.0)
        >>> backoff.pause() <= 0.1 and backoff.pause() <= 0.2
        True
        >>> backoff.reset()
        >>> backoff.pause() <= 0.1
        True
    """

    STEADY: ClassVar[float] = 10.0

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    def pause(self) -> float:
        """Return how many seconds to wait now; the bound doubles for the next time."""
        self._failures += 1
        bound = longest_pause(self._first, self._most, failures=self._failures)
        return random.uniform(0, bound)  # noqa: S311 - jitter, not cryptography

    def long_pause(self) -> float:
        """Return a pause of the longest kind, from half of it on, for what haste would make worse."""
        return random.uniform(self._most / 2, self._most)  # noqa: S311 - jitter, not cryptography

    def lasted(self, seconds: float) -> None:
        """Note how long a connection lasted that has ended: after one that was steady, begin again."""
        if seconds >= self.STEADY:
            self.reset()

    def reset(self) -> None:
        """Begin again, after a try that succeeded."""
        self._failures = 0
