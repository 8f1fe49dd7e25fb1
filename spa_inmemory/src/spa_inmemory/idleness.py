"""Whether anything is left to do at one broker, worked out from its members when asked; no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_inmemory.members import Member

__all__ = ["Idleness"]


class Idleness:
    """
    The members of a broker, and who waits until none of them has anything to do.

    Attributes:
        waiting: What is called once nothing is left to do; queues call :meth:`note` only while there is anything here.
    """

    __slots__ = ("_members", "waiting")

    def __init__(self) -> None:
        self.waiting: set[Callable[[], None]] = set()
        self._members: set[Member] = set()

    def __bool__(self) -> bool:
        return not any(_is_busy(member) for member in self._members)

    def add(self, member: Member) -> None:
        """Count what *member* has to do."""
        self._members.add(member)

    def remove(self, member: Member) -> None:
        """Forget a member that has left."""
        self._members.discard(member)
        self.note()

    def note(self) -> None:
        """Look again, because a member may have less to do now."""
        if self.waiting and self:
            waiting, self.waiting = self.waiting, set()
            for wake in waiting:
                wake()


def _is_busy(member: Member) -> bool:
    # What waits in a queue that nobody takes from waits for a member that may never come.
    return bool(member.in_flight) or (member.fetching and len(member.queue) > 0)
