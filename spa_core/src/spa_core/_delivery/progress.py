"""What an application's delivery has done and is doing: counts and running handlers, read by health, no I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

__all__ = ["Counts"]


class Counts(msgspec.Struct):
    """
    What happened to an application's messages since it started.

    Attributes:
        received: Handed out by the transport.
        handled: Settled after their handler succeeded.
        failed: Attempts that failed.
        retried: Attempts made again in place.
        redelivered: Handed back to the transport, to be delivered later.
        dead_lettered: Published to the dead-letter topic, then settled.
        held: Times a dead letter could not be published, so that the message was kept.
        dropped: Settled without having been handled, as the policy says.
        cancelled: Handlers cancelled on the way; their messages are not settled.
    """

    received: int = 0
    handled: int = 0
    failed: int = 0
    retried: int = 0
    redelivered: int = 0
    dead_lettered: int = 0
    held: int = 0
    dropped: int = 0
    cancelled: int = 0


class Slot:
    """Where one handler at a time runs; ``message`` is ``None`` while none does."""

    __slots__ = ("message", "started")

    def __init__(self) -> None:
        self.message: SpaMessage | None = None
        self.started = 0.0


class Progress:
    """The counts of one application, its slots, and when it last settled a message."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.slots: list[Slot] = []
        self.last_settled: float | None = None

    def new_slot(self) -> Slot:
        """Add a slot to run handlers in."""
        slot = Slot()
        self.slots.append(slot)
        return slot

    def running(self) -> list[Slot]:
        """Return the slots whose handler runs now, the oldest first."""
        return sorted((slot for slot in self.slots if slot.message is not None), key=lambda slot: slot.started)

    def seconds_since_settled(self) -> float | None:
        """Return how long ago a message was last settled; ``None`` if none was."""
        return None if self.last_settled is None else time.monotonic() - self.last_settled
