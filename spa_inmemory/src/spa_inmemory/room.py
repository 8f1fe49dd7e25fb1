"""
Publishes that wait for room in full queues, and the circles in which such waiting could never end.

A handler that publishes into a full queue waits until members of that queue take something. If each of those waits
for room too, and in the end for this very handler, nobody ever takes anything. Such a circle is found before it closes:
the publish that would close it goes into a reserve as large as the queue itself, and fails at once when that is full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from spa_core.errors import QueueFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spa_core.message import SpaMessage
    from spa_inmemory.members import Member
    from spa_inmemory.queues import MessageQueue

__all__ = ["Refusal", "WaitingPublish", "break_circles"]

_HINT: Final = "Take messages faster, publish more slowly, or raise queue_size or publish_timeout"


class Refusal(NamedTuple):
    """
    A full queue, and what it did not take.

    Attributes:
        queue: The queue.
        message: The message.
        deadline: When the message expires; ``None`` is never.
    """

    queue: MessageQueue
    message: SpaMessage
    deadline: float | None

    def error(self, reason: str, *, hint: str = _HINT) -> QueueFullError:
        """Return the error that says so, with the *reason* why nobody waits any longer."""
        queue, topic = self.queue, self.message.topic
        text = f"message on {topic!r} not accepted: {queue.name} is full (limit {queue.limit}), {reason}"
        return QueueFullError(text, topic=topic, queue=queue.name, limit=queue.limit, hint=hint)


class WaitingPublish:
    """
    One message that is not in all its queues yet.

    Args:
        publisher: The member whose handler publishes it, if a handler does.
        wake: Called once nothing is left to wait for.

    Attributes:
        refusals: What it waits for, by queue.
        error: Why it waits no longer, if it failed.
    """

    __slots__ = ("_publisher", "_wake", "error", "refusals")

    def __init__(self, publisher: Member | None, wake: Callable[[], None]) -> None:
        self._publisher = publisher
        self._wake = wake
        self.refusals: dict[MessageQueue, Refusal] = {}
        self.error: Exception | None = None
        if publisher is not None:
            publisher.waits.add(self)

    def wait_for(self, refusal: Refusal) -> None:
        """
        Stand in line for room in the queue, or take its reserve where waiting would never end.

        Raises:
            QueueFullError: The reserve is full too.
        """
        if self._publisher is not None and closes_circle(self._publisher, refusal.queue):
            _use_reserve(refusal)
        else:
            self.refusals[refusal.queue] = refusal
            refusal.queue.publishers.append(self)

    def enter(self, queue: MessageQueue) -> None:
        """Put the message in, now that its turn in the line of *queue* has come."""
        refusal = self.refusals[queue]
        queue.force(refusal.message, refusal.deadline)
        self.skip(queue)

    def skip(self, queue: MessageQueue) -> None:
        """Wait for *queue* no longer: it has the message, or it is gone."""
        del self.refusals[queue]
        if not self.refusals:
            self._wake()

    def fail(self, error: Exception) -> None:
        """Wait no longer; *error* says why."""
        self.withdraw()
        self.error = error
        self._wake()

    def withdraw(self) -> None:
        """Leave every line."""
        for queue in self.refusals:
            queue.publishers.remove(self)
        self.refusals.clear()
        if self._publisher is not None:
            self._publisher.waits.discard(self)

    def leave_circle(self, queue: MessageQueue) -> None:
        """Take the reserve of *queue*, or fail, if waiting for it would never end as things are now."""
        if self._publisher is None or not closes_circle(self._publisher, queue):
            return
        try:
            _use_reserve(self.refusals[queue])
        except QueueFullError as error:
            self.fail(error)
        else:
            queue.publishers.remove(self)
            self.skip(queue)


def _use_reserve(refusal: Refusal) -> None:
    queue = refusal.queue
    if len(queue) >= 2 * queue.limit:
        hint = "Handlers that publish to each other must take more than they publish"
        raise refusal.error("and so is its reserve for handlers that wait in a circle", hint=hint)
    queue.force(refusal.message, refusal.deadline)


def break_circles(queue: MessageQueue) -> None:
    """Let no publish wait for *queue* in a circle that closed because a member of it stopped fetching."""
    for publish in tuple(queue.publishers):
        publish.leave_circle(queue)


def closes_circle(publisher: Member, queue: MessageQueue) -> bool:
    """Return whether nobody could make room in *queue*, because all who could wait, and in the end for *publisher*."""
    bound = _reachable(queue)
    if publisher not in bound:
        return False
    able = {member for member in bound if member.fetching and member is not publisher}
    free: set[Member] = set()
    while freed := {member for member in able - free if _can_go_on(member, free)}:
        free |= freed
    return free.isdisjoint(queue.members)


def _reachable(queue: MessageQueue) -> set[Member]:
    """Return the members of *queue*, those of the queues that their handlers wait for, and so on."""
    reached: set[Member] = set()
    queues = [queue]
    while queues:
        for member in queues.pop().members.keys() - reached:
            reached.add(member)
            queues += _waited_for(member)
    return reached


def _can_go_on(member: Member, free: set[Member]) -> bool:
    return all(not free.isdisjoint(queue.members) for queue in _waited_for(member))


def _waited_for(member: Member) -> Iterator[MessageQueue]:
    """Yield the queues that handlers of *member* wait for; one is enough to count the member as held up."""
    for publish in member.waits:
        yield from publish.refusals
