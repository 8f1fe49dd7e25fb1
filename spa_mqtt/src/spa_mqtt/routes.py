"""
Which copy of a message counts where several filters of one subscription match it; pure.

Brokers send a copy for each filter that matches, or one for all of them; either way a subscription gets one. Filters
that another one covers are not sent at all. Of the rest, the first that matches decides: its copy counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.topics import TopicTrie, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Routes", "covers"]


class Routes:
    """
    The filters of one subscription.

    Args:
        filters: As asked for.

    Attributes:
        filters: Those that the broker is asked for; a filter's subscription identifier is its place here, from 1 on.

    Example:
        >>> routes = Routes(["plants/north/#", "plants/+/flow", "plants/north/flow"])
        >>> routes.filters
        ('plants/north/#', 'plants/+/flow')
        >>> [routes.counts("plants/north/flow", {identifier}) for identifier in (1, 2)]
        [True, False]
    """

    def __init__(self, filters: Iterable[str]) -> None:
        unique = list(dict.fromkeys(filters))
        self.filters = tuple(_uncovered(unique))
        self._trie = TopicTrie[int]()
        for identifier, each in enumerate(self.filters, start=1):
            self._trie.add(each, identifier)

    @property
    def is_single(self) -> bool:
        """Whether there is one filter, so that every copy counts."""
        return len(self.filters) == 1

    def counts(self, topic: str, identifiers: set[int]) -> bool:
        """
        Return whether a copy counts.

        Args:
            topic: The message's topic.
            identifiers: The subscription identifiers that it came with; none if the broker has none.
        """
        if not identifiers:
            return True
        matching = self._trie.match(topic)
        return not matching or min(matching) in identifiers

    def overlap(self, topic: str) -> bool:
        """Whether several filters match, so that a broker without identifiers may send several copies."""
        return len(self._trie.match(topic)) > 1


def _uncovered(filters: Sequence[str]) -> Iterator[str]:
    """Yield the filters that no other one covers; a thousand of them take milliseconds, not seconds."""
    trie = TopicTrie[str]()
    for each in filters:
        trie.add(each, each)
    for each in filters:
        # Whatever covers a filter matches this topic, which few do.
        if not any(covers(other, each) for other in trie.match(_example(each))):
            yield each


def covers(wide: str, narrow: str) -> bool:
    """
    Return whether every topic that *narrow* matches is matched by *wide*, another filter.

    Example:
        >>> covers("plants/#", "plants/+/flow"), covers("+/flow", "plants/#")
        (True, False)
    """
    if wide == narrow:
        return False
    levels = wide.split("/")
    if levels[-1] != "#" and "#" in narrow.split("/"):
        return False
    example = _example(narrow)
    if narrow.endswith("/#"):
        return matches(wide, example.removesuffix("/\u0001")) and matches(wide, example)
    return matches(wide, example) and not (narrow == "#" and wide != "#")


def _example(topic_filter: str) -> str:
    """Return a topic that the filter matches, with a level that no topic has for every level that is open."""
    return topic_filter.replace("+", "\u0001").replace("#", "\u0001")
