"""
One bounded queue: messages go in, are handed out to its members, settled or given back; no I/O and no event loop.

Everything here happens at once. Whoever has to wait leaves a function to be woken by; the time comes from a clock.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from spa_core.transport import ACK, Reject, Retry
from spa_inmemory.backlog import Backlog, Entry
from spa_inmemory.idleness import Idleness
from spa_inmemory.lanes import KeyLanes
from spa_inmemory.members import Member, MemoryDelivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.message import SpaMessage
    from spa_core.transport import Outcome
    from spa_inmemory.room import WaitingPublish

__all__ = ["MessageQueue"]

_logger: Final = logging.getLogger("spa_inmemory")


class MessageQueue:
    """
    The messages of one subscription, or of all members of a group.

    Everything that waits counts towards the limit, the delayed and those behind their key included. Only publishing
    minds the limit: what comes back always finds room.

    Args:
        name: Its name for people.
        limit: The most messages that wait before publishers have to.
        clock: Returns the time in seconds.
        idleness: Told when there is less to do, while anybody wants to know.

    Attributes:
        name: As above.
        limit: As above.
        members: Its members in the order they joined, those included that only settle.
        fetching: How many members can be handed messages.
        publishers: Publishes that wait for room, first come first served; empty unless the queue is full.
    """

    __slots__ = (
        "_backlog",
        "_closed",
        "_idleness",
        "_lanes",
        "_sleepers",
        "fetching",
        "limit",
        "members",
        "name",
        "publishers",
    )

    def __init__(self, name: str, *, limit: int, clock: Callable[[], float], idleness: Idleness | None = None) -> None:
        self.name = name
        self.limit = limit
        self.members: dict[Member, None] = {}
        self.fetching = 0
        self.publishers: deque[WaitingPublish] = deque()
        self._backlog = Backlog(clock)
        self._closed = False
        self._idleness = Idleness() if idleness is None else idleness  # a busy one is false
        self._lanes: KeyLanes | None = None  # two members must not share a key, one alone may have all
        self._sleepers: dict[Member, None] = {}  # members that wait for messages, the longest idle first

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._backlog)

    def __bool__(self) -> bool:
        return True

    @property
    def expired(self) -> int:
        """How many messages were dropped because their time to live had ended when it was their turn."""
        return self._backlog.expired

    # -- in ------------------------------------------------------------------------------------------------------------

    def offer(self, message: SpaMessage, deadline: float | None) -> bool:
        """Put a message in unless the queue is full, and say whether it is in; it expires at *deadline*."""
        backlog = self._backlog
        if len(backlog.fresh) + backlog.held >= self.limit:
            return False
        if deadline is None:
            backlog.fresh.append(message)
        else:
            backlog.put(message, deadline)
        if self._sleepers:
            self._rouse_next()
        return True

    def force(self, message: SpaMessage, deadline: float | None) -> None:
        """Put a message in, full or not."""
        self._backlog.put(message, deadline)
        self._rouse(1)

    def _admit_publishers(self) -> None:
        while self.publishers and len(self._backlog) < self.limit:
            self.publishers.popleft().enter(self)

    # -- members -------------------------------------------------------------------------------------------------------

    def join(self, prefetch: int) -> Member:
        """Add a member that takes messages."""
        if self.members and self._lanes is None:
            self._lanes = KeyLanes(delivery for member in self.members for delivery in member.in_flight)
        member = Member(self, prefetch)
        self.members[member] = None
        self.fetching += 1
        return member

    def stop(self, member: Member) -> None:
        """Hand a member nothing more; what it has can still be settled."""
        if member.fetching:
            member.fetching = False
            self.fetching -= 1
            self.wake(member)
            self.pass_on()
            self._idleness.note()

    def leave(self, member: Member) -> None:
        """Remove a member; what it has in flight goes back to its place, as one more attempt."""
        self.stop(member)
        del self.members[member]
        unsettled = tuple(member.in_flight)
        member.in_flight.clear()
        for delivery in unsettled:
            self._release_key(delivery)
        for delivery in unsettled:
            self._take_back(delivery, 0)
        if self._lanes is not None and len(self.members) == 1:
            self._drop_lanes(self._lanes)

    def _drop_lanes(self, lanes: KeyLanes) -> None:
        self._lanes = None
        for entry in lanes.parked():
            self._readmit(entry)

    def close(self) -> None:
        """Drop everything and let waiting publishers go; settling stays possible, but nothing comes back."""
        self._closed = True
        self._backlog.clear()
        while self.publishers:
            self.publishers.popleft().skip(self)

    # -- out -----------------------------------------------------------------------------------------------------------

    def take(self, member: Member, most: int) -> list[MemoryDelivery]:
        """
        Hand out up to *most* messages to a member that is fetching, no more than its prefetch and its fair share.

        The share of a call is what is ready, divided by the members that are fetching and rounded up; what waits for
        this member alone comes first and on top.
        """
        if self._backlog.next_due is not None:
            for entry in self._backlog.pop_due():
                self._readmit(entry)
        most = min(most, member.prefetch - len(member.in_flight))
        batch = self._hand_out(member, most)
        while not batch and most > 0 and self._backlog.ready:
            # All that was ready had expired or waits for others, which made room for publishers.
            batch = self._hand_out(member, most)
        if self._sleepers:
            self.pass_on()
        if not batch:
            self._idleness.note()  # all that waited may have expired
        return batch

    def _hand_out(self, member: Member, most: int) -> list[MemoryDelivery]:
        backlog = self._backlog
        batch: list[MemoryDelivery] = []
        if self._lanes is not None:
            self._take_parked(member, batch, most, self._lanes)
        share = (backlog.ready + self.fetching - 1) // self.fetching
        most = min(most, len(batch) + share)
        if self._lanes is None and backlog.is_plain:
            self._take_fresh(member, batch, most)
        else:
            self._take_one_by_one(member, batch, most)
        member.in_flight.update(batch)
        if self.publishers:
            self._admit_publishers()
        return batch

    def _take_parked(self, member: Member, batch: list[MemoryDelivery], most: int, lanes: KeyLanes) -> None:
        while len(batch) < most and (entry := lanes.next_parked(member)) is not None:
            self._backlog.held -= 1
            if not self._backlog.drop_expired(entry):
                lanes.claim(entry.message.key, member)
                batch.append(_delivery(entry, member))

    def _take_fresh(self, member: Member, batch: list[MemoryDelivery], most: int) -> None:
        backlog = self._backlog
        first, end = backlog.first, backlog.first + max(0, most)
        backlog.first = end
        next_message = backlog.fresh.popleft
        batch += [MemoryDelivery(next_message(), 1, False, member, place) for place in range(first, end)]  # noqa: FBT003

    def _take_one_by_one(self, member: Member, batch: list[MemoryDelivery], most: int) -> None:
        backlog, lanes = self._backlog, self._lanes
        while len(batch) < most and (entry := backlog.take()) is not None:
            if backlog.drop_expired(entry):
                continue
            if lanes is None or lanes.claim(entry.message.key, member):
                batch.append(_delivery(entry, member))
            else:
                backlog.held += 1
                self._readmit(entry)

    # -- back ----------------------------------------------------------------------------------------------------------

    def settle(self, delivery: MemoryDelivery, outcome: Outcome) -> None:
        """Do what *outcome* says with a delivery that has just left its member's hands."""
        if isinstance(outcome, Retry):
            self._take_back(delivery, outcome.delay)
        else:
            if self._backlog.deadlines:
                self._backlog.deadlines.pop(delivery.place, None)
            if outcome is not ACK and isinstance(outcome, Reject):
                _logger.debug("message on %r rejected: %s", delivery.message.topic, outcome.reason)
        if self._lanes is not None:
            self._release_key(delivery)
        member = delivery.native
        if member.wake is not None and member not in self._sleepers:
            member.rouse()  # it waited until its prefetch allows more
        if self._idleness.waiting:
            self._idleness.note()

    def _take_back(self, delivery: MemoryDelivery, delay: float) -> None:
        if self._closed:
            return
        entry = Entry(delivery.place, delivery.attempt + 1, delivery.message)
        self._backlog.held += 1
        if delay <= 0:
            self._readmit(entry)
        elif self._backlog.delay(entry, delay):
            self._rouse(len(self._sleepers))  # they sleep until the first is due, and that has changed

    def _release_key(self, delivery: MemoryDelivery) -> None:
        for entry in () if self._lanes is None else self._lanes.release(delivery.message.key):
            self._readmit(entry)

    def _readmit(self, entry: Entry) -> None:
        """Let a held entry wait behind its key if that is in flight, else make it ready."""
        owner = None if self._lanes is None else self._lanes.park(entry)
        if owner is None:
            self._backlog.put_back(entry)
            self._rouse(1)
        elif owner in self._sleepers:
            self.wake(owner)

    # -- sleeping ------------------------------------------------------------------------------------------------------

    def sleep(self, member: Member, wake: Callable[[], None]) -> float | None:
        """
        Have *wake* called once there may be something for *member* to take.

        Returns:
            The time at which it must ask again in any case; ``None`` if there is none.
        """
        member.wake = wake
        if len(member.in_flight) >= member.prefetch:
            return None
        self._sleepers[member] = None
        return self._backlog.next_due

    def wake(self, member: Member) -> None:
        """Wake a member, asleep or not."""
        self._sleepers.pop(member, None)
        member.rouse()

    def pass_on(self) -> None:
        """Wake the next sleeper if something is ready: whoever was woken for it may not have taken it."""
        if self._sleepers and self._backlog.ready:
            self._rouse_next()

    def _rouse(self, count: int) -> None:
        for _ in range(min(count, len(self._sleepers))):
            self._rouse_next()

    def _rouse_next(self) -> None:
        member = next(iter(self._sleepers))
        del self._sleepers[member]
        member.rouse()


def _delivery(entry: Entry, member: Member) -> MemoryDelivery:
    return MemoryDelivery(entry.message, entry.attempt, entry.attempt > 1, member, entry.place)
