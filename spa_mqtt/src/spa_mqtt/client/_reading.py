"""When a connection is read: whenever something is there, but while it is paused and no answer is waited for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_mqtt.client._driver import Driver
    from spa_mqtt.client._waiting import Waiting

__all__ = ["Reading"]


class Reading:
    """
    The reader of one connection, on the event loop.

    Args:
        driver: What is read.
        waiting: Who waits for answers.
        readable: Reads; called when something is there.

    Attributes:
        is_held: Whether nothing is to be read now.
        is_over: Whether the connection has ended; set by its owner.
    """

    def __init__(self, driver: Driver, waiting: Waiting, readable: Callable[[], None]) -> None:
        self.is_held = False
        self.is_over = False
        self._driver = driver
        self._waiting = waiting
        self._readable = readable
        self._loop = asyncio.get_running_loop()
        self._is_paused = False
        self._looked_at = 0.0

    def begin(self) -> None:
        """Read from now on."""
        self._loop.add_reader(self._driver.fileno(), self._readable)

    def pause(self) -> None:
        """Stop reading, but for answers that are waited for."""
        self._is_paused = True
        self.adapt()

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        self.adapt()

    def adapt(self) -> None:
        """Read or not, after a change of who waits."""
        # An answer comes behind everything else, and who waits for it may be who has to make room.
        holds = self._is_paused and not self._waiting.for_the_broker
        if holds == self.is_held or self.is_over:
            return
        self.is_held = holds
        if holds:
            self._looked_at = time.monotonic()
            self._loop.remove_reader(self._driver.fileno())
        else:
            self.begin()
            self._loop.call_soon(self._readable)

    def is_due(self, seconds: float) -> bool:
        """Return whether nothing was read for so long that a look is due, and count that look as taken."""
        now = time.monotonic()
        if not self.is_held or self.is_over or now - self._looked_at <= seconds:
            return False
        self._looked_at = now
        return True
