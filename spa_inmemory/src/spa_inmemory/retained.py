"""The last message of each topic that was published to be kept for later subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.errors import QueueFullError
from spa_core.topics import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spa_core.message import SpaMessage

__all__ = ["RetainedMessages"]


class RetainedMessages:
    """
    Retained messages by topic, in the order they were published.

    Args:
        owner: The broker's name for people.
        clock: Returns the time in seconds.
    """

    __slots__ = ("_clock", "_kept", "_owner")

    def __init__(self, owner: str, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._clock = clock
        self._kept: dict[str, tuple[SpaMessage, float | None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, message: SpaMessage, deadline: float | None, *, limit: int) -> SpaMessage:
        """
        Keep *message* instead of its topic's last one, or nothing any more if its payload is empty.

        Args:
            message: The message.
            deadline: When it expires.
            limit: The most topics to keep a message for.

        Returns:
            The copy for those who are subscribed already.

        Raises:
            QueueFullError: There are *limit* topics with a retained message, and this would be another.
        """
        known = self._kept.pop(message.topic, None)
        if message.payload:
            if known is None and len(self._kept) >= limit:
                self._drop_expired()
            if len(self._kept) >= limit:
                raise self._full(message, limit)
            self._kept[message.topic] = message, deadline
        return message.replace(retain=False)

    def matching(self, filters: Iterable[str]) -> Iterator[tuple[SpaMessage, float | None]]:
        """Yield the messages that any of *filters* selects, each with the time at which it expires."""
        filters = tuple(filters)
        self._drop_expired()
        for topic, kept in self._kept.items():
            if any(matches(topic_filter, topic) for topic_filter in filters):
                yield kept

    def _drop_expired(self) -> None:
        now = self._clock()
        expired = [topic for topic, (_, deadline) in self._kept.items() if deadline is not None and deadline <= now]
        for topic in expired:
            del self._kept[topic]

    def _full(self, message: SpaMessage, limit: int) -> QueueFullError:
        queue = f"the retained messages of {self._owner}"
        text = f"message on {message.topic!r} not accepted: {queue} are full (limit {limit} topics)"
        hint = "Publish an empty retained message to a topic to forget it, or raise max_retained"
        return QueueFullError(text, topic=message.topic, queue=queue, limit=limit, hint=hint)
