"""Which values are filed under the filters that match a topic; knows nothing of what the values are."""

from __future__ import annotations

from collections.abc import Hashable
from operator import itemgetter
from typing import Final, Generic, TypeVar

from spa_core.topics._validation import validate_filter

T = TypeVar("T", bound=Hashable)

# Remembering spares a walk for topics that come again and again. Emptied when full: a flood of unique topics costs a
# walk each, as it must, and no memory.
_REMEMBERED: Final = 1024


class _Node(Generic[T]):
    """What is filed under one sequence of a filter's levels: each value with the number of its filing."""

    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: dict[T, int] = {}


class TopicTrie(Generic[T]):
    """
    Values filed under filters, found again by topic in one walk over its levels, however many the filters.

    A value may be filed under several filters and a filter may hold several values; filing a pair again changes
    nothing. ``len()`` counts the pairs, and an empty trie is false. Values are hashable and told apart by equality.
    For use by one thread.

    Example:
        >>> trie = TopicTrie[str]()
        >>> trie.add("plants/+/flow", "detector")
        >>> trie.add("plants/#", "archive")
        >>> trie.match("plants/7/flow")
        ['detector', 'archive']
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._length = 0
        self._number = 0
        self._remembered: dict[str, list[T]] = {}

    def __len__(self) -> int:
        return self._length

    def add(self, topic_filter: str, value: T) -> None:
        """
        File *value* under *topic_filter*.

        Raises:
            TopicError: The filter is invalid; nothing is filed.
        """
        node = self._root
        for level in validate_filter(topic_filter).split("/"):
            node = node.children.setdefault(level, _Node())
        if value in node.values:
            return
        node.values[value] = self._number
        self._number += 1
        self._length += 1
        self._remembered.clear()

    def remove(self, topic_filter: str, value: T) -> bool:
        """Take *value* from under *topic_filter*, and return whether it was filed there."""
        levels = topic_filter.split("/")
        path = [self._root]
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return False
            path.append(child)
        if path[-1].values.pop(value, None) is None:
            return False
        self._length -= 1
        self._remembered.clear()
        _prune(path, levels)
        return True

    def match(self, topic: str) -> list[T]:
        """
        Return the values filed under the filters that :func:`matches` says match *topic*.

        Each value occurs once, in the order in which it was first filed under one of these filters.

        Args:
            topic: A topic that :func:`validate_topic` accepts; not checked here.

        Returns:
            A list of the caller's own.
        """
        found = self._remembered.get(topic)
        if found is None:
            found = self._search(topic)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[topic] = found
        return found.copy()

    def _search(self, topic: str) -> list[T]:
        numbered = [pair for node in self._matching_nodes(topic) for pair in node.values.items()]
        numbered.sort(key=itemgetter(1))
        return list(dict.fromkeys(value for value, _ in numbered))

    def _matching_nodes(self, topic: str) -> list[_Node[T]]:
        matching: list[_Node[T]] = []
        reached = [self._root]
        wild = not topic.startswith("$")
        for level in topic.split("/"):
            following: list[_Node[T]] = []
            for node in reached:
                children = node.children
                exact, one, rest = children.get(level), children.get("+"), children.get("#")
                if exact is not None:
                    following.append(exact)
                # Unchecked topics may contain "+": following it twice would double the work at every level.
                if wild and one is not None and one is not exact:
                    following.append(one)
                if wild and rest is not None:
                    matching.append(rest)
            reached = following
            wild = True
        for node in reached:
            matching.append(node)
            # "#" matches its parent level too.
            rest = node.children.get("#")
            if rest is not None:
                matching.append(rest)
        return matching


def _prune(path: list[_Node[T]], levels: list[str]) -> None:
    """Drop the nodes at the end of *path* that nothing is filed under any more."""
    while levels and not path[-1].values and not path[-1].children:
        path.pop()
        del path[-1].children[levels.pop()]
