"""
What the broker has sent on one connection and waits to have acknowledged: the order of acknowledgements; pure.

The law: acknowledge in the order of receipt (MQTT 5, 4.6), so only what is finished without a gap from the oldest on.
A connection's end makes all of it void: the broker sends it again, or has forgotten it.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Inflight", "Receipt"]


class Receipt:
    """
    One message that was received.

    Attributes:
        mid: The packet's identifier.
        qos: The level it came with; one of level 0 is never acknowledged.
        generation: The connection it came on; -1 before it is noted.
        is_done: Whether it may be acknowledged.
    """

    __slots__ = ("generation", "is_done", "mid", "qos")

    def __init__(self, mid: int, qos: int) -> None:
        self.mid = mid
        self.qos = qos
        self.generation = -1
        self.is_done = False


class Inflight:
    """
    The unacknowledged messages of one connection after the other.

    Attributes:
        generation: Which connection is in force; receipts of others are void.

    Example:
        >>> inflight = Inflight()
        >>> first, second, third = (Receipt(mid, qos=1) for mid in (7, 8, 9))
        >>> for receipt in (first, second, third):
        ...     inflight.received(receipt)
        >>> inflight.done(second), inflight.acknowledgeable()
        (True, [])
        >>> inflight.done(first), inflight.acknowledgeable()
        (True, [(7, 1), (8, 1)])
        >>> inflight.connection_lost()
        >>> inflight.done(third)
        False
    """

    def __init__(self) -> None:
        self.generation = 0
        self._receipts: deque[Receipt] = deque()

    def __len__(self) -> int:
        """Return how many messages the broker holds for us, finished ones behind an unfinished one included."""
        return len(self._receipts)

    @property
    def oldest(self) -> Receipt | None:
        """What holds back everything behind it."""
        return self._receipts[0] if self._receipts else None

    def received(self, receipt: Receipt) -> None:
        """Note a message that came on the connection in force."""
        receipt.generation = self.generation
        if receipt.qos:
            self._receipts.append(receipt)

    def done(self, receipt: Receipt) -> bool:
        """Note that a message is finished; ``False`` if its connection has ended, or it was finished before."""
        if receipt.generation != self.generation or receipt.is_done:
            return False
        receipt.is_done = True
        return True

    def acknowledgeable(self) -> list[tuple[int, int]]:
        """Return identifier and level of what is to be acknowledged now, in order, and forget it."""
        receipts = self._receipts
        ready: list[tuple[int, int]] = []
        while receipts and receipts[0].is_done:
            receipt = receipts.popleft()
            ready.append((receipt.mid, receipt.qos))
        return ready

    def connection_lost(self) -> None:
        """Make everything that was received void."""
        self.generation += 1
        self._receipts.clear()
