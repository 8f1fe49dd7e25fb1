"""Counting handled messages: from the first to the last is what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Stopwatch


class Count:
    """
    Starts a stopwatch at the first of some messages and stops it at the last.

    Args:
        messages: How many.
        watch: The stopwatch.
        on_last: Called at the last.
    """

    def __init__(self, messages: int, watch: Stopwatch, on_last: Callable[[], None]) -> None:
        self._left = messages
        self._messages = messages
        self._watch = watch
        self._on_last = on_last

    def one(self) -> None:
        """Count one message."""
        if self._left == self._messages:
            self._watch.start()
        self._left -= 1
        if not self._left:
            self._watch.stop()
            self._on_last()

    @property
    def done(self) -> bool:
        """Whether that was the last."""
        return self._left <= 0
