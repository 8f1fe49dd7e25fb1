"""Messages that were accepted and go out later, each when its time has come or enough others have passed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

__all__ = ["Held", "HeldBack"]

LONGEST_WAIT: Final = 1.0
"""Seconds that a message waits to be overtaken, if nobody comes."""


class Held:
    """
    One message that is held back; its wait begins when it is made.

    Args:
        message: The message.
        times: How often it goes out.
        seconds: How long it waits at most.
        until: The position of the message that it lets pass first; ``None`` if it only waits for its time.
    """

    __slots__ = ("_deadline", "_free", "message", "times", "until")

    def __init__(self, message: SpaMessage, *, times: int = 1, seconds: float = 0.0, until: int | None = None) -> None:
        self.message = message
        self.times = times
        self.until = until
        self._deadline = anyio.current_time() + seconds
        self._free = anyio.Event()

    def free(self) -> None:
        """Let it go out now."""
        self._free.set()

    async def until_free(self) -> None:
        """Wait until it may go out."""
        with anyio.CancelScope(deadline=self._deadline):
            await self._free.wait()


class HeldBack:
    """Everything that is held back by the sockets of one provider."""

    def __init__(self) -> None:
        self._held: dict[Held, None] = {}
        self._empty: anyio.Event | None = None

    def is_empty(self) -> bool:
        """Return whether nothing is held back."""
        return not self._held

    async def until_empty(self) -> None:
        """Wait until nothing is held back."""
        if self._held:
            empty = self._empty = self._empty or anyio.Event()
            await empty.wait()

    def add(self, held: Held) -> None:
        """Hold a message back."""
        self._held[held] = None

    def remove(self, held: Held) -> None:
        """Forget a message that is out, or never will be."""
        self._held.pop(held, None)
        if not self._held and self._empty is not None:
            self._empty.set()
            self._empty = None

    def let_pass(self, position: int) -> None:
        """Free what waited for the message at *position*, which is out now."""
        for held in self._held:
            if held.until is not None and held.until <= position:
                held.free()
