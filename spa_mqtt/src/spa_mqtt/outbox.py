"""
Messages that wait to be sent or confirmed, in order, over however many connections; pure.

The law: what was sent and not confirmed when a connection ends is sent again on the next, before what waits, in the
order of publishing. Whoever makes the broker hang up every time is found and refused, so that he holds up nobody.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.errors import SpaError

__all__ = ["Entry", "Outbox"]

_STRIKES: Final = 5
"""Connections in a row that must end with one message alone under way for it to be the culprit."""


class Entry:
    """
    One message.

    Attributes:
        topic: Where it goes.
        packet: Makes its PUBLISH packet, given a packet identifier and whether it was sent before.
        on_end: Called once, with the broker's reason code or with what went wrong on our side.
        mid: Its packet identifier, kept when it is sent again, so that the broker can know it; 0 before.
    """

    __slots__ = ("is_ended", "mid", "on_end", "packet", "strikes", "topic", "withdrawn")

    def __init__(
        self, topic: str, packet: Callable[[int, bool], bytes], on_end: Callable[[int | SpaError], None]
    ) -> None:
        self.topic = topic
        self.packet = packet
        self.on_end = on_end
        self.mid = 0
        self.strikes = 0
        self.is_ended = False
        self.withdrawn = False


class Outbox:
    """
    The messages of one publisher.

    Args:
        limit: The most messages held.
        window: The most under way at a time; the broker may allow fewer.

    Attributes:
        window: As above; set anew for each connection.
    """

    def __init__(self, *, limit: int, window: int) -> None:
        self.limit = limit
        self.window = window
        self._waiting: deque[Entry] = deque()
        self._under_way: dict[int, Entry] = {}
        self._mids: set[int] = set()
        self._withdrawn = 0
        self._cautious = False
        self._progress = True

    def __len__(self) -> int:
        """Return how many messages wait or are under way."""
        return len(self._waiting) - self._withdrawn + len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether no more is taken."""
        return len(self) >= self.limit

    def add(self, entry: Entry) -> None:
        """Put a message behind all others; one that has ended begins anew."""
        entry.is_ended = False
        entry.mid = 0
        self._waiting.append(entry)

    def next(self) -> Entry | None:
        """Return the message to send now, or ``None`` if there is none or the window is full."""
        if len(self._under_way) >= (1 if self._cautious else self.window):
            return None
        while self._waiting:
            entry = self._waiting.popleft()
            if not entry.withdrawn:
                return entry
            self._mids.discard(entry.mid)
            self._withdrawn -= 1
        return None

    def is_taken(self, mid: int) -> bool:
        """Whether a message has a packet identifier already."""
        return mid in self._mids

    def sent(self, entry: Entry, mid: int) -> None:
        """Note that a message is under way."""
        entry.mid = mid
        self._mids.add(mid)
        self._under_way[mid] = entry

    def confirmed(self, mid: int) -> Entry | None:
        """Note a confirmation, and return its message; ``None`` if nobody waits for it."""
        self._cautious = False
        self._progress = True
        entry = self._under_way.pop(mid, None)
        self._mids.discard(mid)
        if entry is None:
            return None
        entry.is_ended = True
        return None if entry.withdrawn else entry

    def withdraw(self, entry: Entry) -> None:
        """
        Take a message out that nobody waits for any more.

        One that is under way keeps its place until it is confirmed; it is not sent again.
        """
        if not entry.withdrawn:
            entry.withdrawn = True
            self._withdrawn += not entry.is_ended and entry.mid not in self._under_way

    def connection_lost(self) -> Entry | None:
        """
        Put back what was under way, and return the message that is to blame, out of the outbox, if there is one.

        One connection that ends without a confirmation makes the next careful: one message at a time.
        """
        back = list(self._under_way.values())
        if not back:
            return None
        self._under_way.clear()
        suspect = back[0] if len(back) == 1 and not self._progress else None
        self._cautious = not self._progress
        self._progress = False
        if suspect is not None:
            suspect.strikes += 1
        culprit = suspect if suspect is not None and suspect.strikes >= _STRIKES else None
        for entry in reversed(back):
            if entry is culprit or entry.withdrawn:
                entry.is_ended = True
                self._mids.discard(entry.mid)
            else:
                self._waiting.appendleft(entry)
        return None if culprit is None or culprit.withdrawn else culprit

    def close(self) -> list[Entry]:
        """Take everything out, and return it in order."""
        left = [entry for entry in (*self._under_way.values(), *self._waiting) if not entry.withdrawn]
        for entry in left:
            entry.is_ended = True
        self._under_way.clear()
        self._waiting.clear()
        self._mids.clear()
        self._withdrawn = 0
        return left
