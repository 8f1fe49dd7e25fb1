"""Messages that come now and then: every second one is slow to handle, and the others should not have to wait."""

from __future__ import annotations

import time
from typing import Final

import msgspec

SLOW: Final = 0.15
"""Seconds that a slow message takes to handle."""

INTERVAL: Final = 0.1
"""Seconds between messages, slow and quick in turn; each kind has a partition of its own."""


class Sent(msgspec.Struct):
    """
    A message's payload.

    Attributes:
        slow: Whether it is slow to handle.
        at: When it was sent, in seconds since the epoch.
    """

    slow: bool
    at: float


def sent(data: bytes) -> Sent:
    """Read a payload."""
    return msgspec.json.decode(data, type=Sent)


def since(at: float) -> float:
    """Return the seconds since a message was sent."""
    return time.time() - at
