"""What a connection sends: once a turn of the event loop, so that what is sent together goes out together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_mqtt.client._driver import Driver
    from spa_mqtt.client._waiting import Waiting

__all__ = ["Writing"]


class Writing:
    """
    The writer of one connection, on the event loop.

    Args:
        driver: What writes.
        waiting: Who waits until all is written.
        guarded: Does a step, and ends the connection if that fails.

    Attributes:
        is_over: Whether the connection has ended; set by its owner.
    """

    def __init__(self, driver: Driver, waiting: Waiting, guarded: Callable[[Callable[[], object]], None]) -> None:
        self.is_over = False
        self._driver = driver
        self._waiting = waiting
        self._guarded = guarded
        self._loop = asyncio.get_running_loop()
        self._packets: list[bytes] = []
        self._is_coming = False

    def send(self, packet: bytes) -> None:
        """Send a packet with this turn of the event loop."""
        if not self.is_over:
            self._packets.append(packet)
            self.soon()

    def send_at_once(self, packet: bytes) -> None:
        """Send a packet now, unless others wait to be sent before it."""
        if self._packets or self.is_over:
            self.send(packet)
        else:
            self._driver.queue(packet)

    def add(self, packet: bytes) -> None:
        """Put a packet behind those that wait; :meth:`now` sends them."""
        self._packets.append(packet)

    def soon(self) -> None:
        """Write at the end of this turn of the event loop."""
        if not self._is_coming:
            self._is_coming = True
            self._loop.call_soon(self.now)

    def now(self) -> None:
        """Write all there is, and the rest when there is room again."""
        self._is_coming = False
        if not self.is_over:
            self._guarded(self._write)

    def _write(self) -> None:
        packets = self._packets
        if packets:
            self._driver.queue(packets[0] if len(packets) == 1 else b"".join(packets))
            packets.clear()
        has_more = self._driver.write()
        if self.is_over:
            return
        if has_more:
            self._loop.add_writer(self._driver.fileno(), self.now)
        elif self._waiting.for_writing:
            self._waiting.drained()
