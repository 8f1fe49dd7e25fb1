"""Which queues a message goes to: by topic, and one of each group; knows nothing of what queues do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core.topics import TopicTrie

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spa_core.message import SpaMessage
    from spa_inmemory.queues import MessageQueue

__all__ = ["Routes"]

# Unique topics, such as the addresses of replies, only push the others out now and then.
_REMEMBERED: Final = 4096


class Routes:
    """
    The queues by filter.

    A queue that several of its filters select a topic for is one target. Of several queues of one group that a topic
    selects, one is the target: for messages without a key one after the other; all messages of one key go to the same.
    """

    __slots__ = ("_groups", "_remembered", "_trie")

    def __init__(self) -> None:
        self._trie: TopicTrie[MessageQueue] = TopicTrie()
        self._groups: dict[MessageQueue, str] = {}
        self._remembered: dict[str, _Route] = {}

    def add(self, filters: Iterable[str], queue: MessageQueue, *, group: str | None = None) -> None:
        """Send messages that match any of *filters* to *queue*."""
        for topic_filter in filters:
            self._trie.add(topic_filter, queue)
        if group is not None:
            self._groups[queue] = group
        self._remembered.clear()

    def remove(self, filters: Iterable[str], queue: MessageQueue) -> None:
        """Send *queue* no more messages."""
        for topic_filter in filters:
            self._trie.remove(topic_filter, queue)
        self._groups.pop(queue, None)
        self._remembered.clear()

    def targets(self, message: SpaMessage) -> Sequence[MessageQueue]:
        """Return the queues that *message* goes to."""
        route = self._remembered.get(message.topic)
        if route is None:
            route = self._remember(message.topic)
        return route.choose(message) if route.turns else route.queues

    def _remember(self, topic: str) -> _Route:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        route = self._remembered[topic] = self._find(topic)
        return route

    def _find(self, topic: str) -> _Route:
        queues: list[MessageQueue] = []
        groups: dict[str, list[MessageQueue]] = {}
        for queue in self._trie.match(topic):
            group = self._groups.get(queue)
            (queues if group is None else groups.setdefault(group, [])).append(queue)
        queues += [queue for (queue, *others) in groups.values() if not others]
        return _Route(queues, [_Turn(several) for several in groups.values() if len(several) > 1])


class _Route:
    """Where the messages of one topic go: all of some queues, and one of each group that has several."""

    __slots__ = ("queues", "turns")

    def __init__(self, queues: Iterable[MessageQueue], turns: Iterable[_Turn]) -> None:
        self.queues = tuple(queues)
        self.turns = tuple(turns)

    def choose(self, message: SpaMessage) -> Sequence[MessageQueue]:
        return (*self.queues, *(turn.choose(message.key) for turn in self.turns))


class _Turn:
    """Several queues of one group that are selected by one topic."""

    __slots__ = ("_next", "_queues")

    def __init__(self, queues: Sequence[MessageQueue]) -> None:
        self._queues = queues
        self._next = 0

    def choose(self, key: bytes | None) -> MessageQueue:
        # A queue that nobody takes from is passed over while another one is served.
        queues = [queue for queue in self._queues if queue.fetching] or self._queues
        if key is not None:
            return queues[hash(key) % len(queues)]
        self._next += 1
        return queues[self._next % len(queues)]
