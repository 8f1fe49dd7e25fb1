"""
What this process asks of each group: members of a group share whatever several of them ask for.

To Kafka a group is its name, whatever topics its members want. To SPA members that want different topics are groups of
their own, each with every message: so where such wants overlap, the second one is refused rather than given a part.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from spa_core.errors import SubscribeError

if TYPE_CHECKING:
    from spa_kafka.topics import TopicSelection

__all__ = ["Companions", "overlap"]


class Companions:
    """The wants of each group's members in this process, at every cluster."""

    def __init__(self) -> None:
        self._wants: defaultdict[tuple[str, str], list[TopicSelection]] = defaultdict(list)

    def join(self, cluster: str, group: str, selection: TopicSelection) -> None:
        """
        Note what a member wants.

        Raises:
            SubscribeError: Another member wants some of it, and something else.
        """
        wants = self._wants[cluster, group]
        for other in wants:
            if set(other.filters) != set(selection.filters) and overlap(other, selection):
                ours, theirs = ", ".join(selection.filters), ", ".join(other.filters)
                raise SubscribeError(
                    f"group {group!r} cannot have members for {ours} and for {theirs}: they would share what both are "
                    "for, and neither would get all of it",
                    topics=selection.filters,
                    hint="Give one of them a group of its own",
                )
        wants.append(selection)

    def leave(self, cluster: str, group: str, selection: TopicSelection) -> None:
        """Forget what a member wanted."""
        wants = self._wants[cluster, group]
        wants.remove(selection)
        if not wants:
            del self._wants[cluster, group]


COMPANIONS: Final = Companions()
"""Those of this process."""


def overlap(one: TopicSelection, other: TopicSelection) -> bool:
    """
    Return whether there can be a topic that both select.

    Example:
        >>> from spa_kafka.topics import TopicSelection
        >>> overlap(TopicSelection(["plants/+/flow"]), TopicSelection(["plants/north/#"]))
        True
        >>> overlap(TopicSelection(["plants/+/flow"]), TopicSelection(["plants/+/level"]))
        False
    """
    return (
        any(map(other.selects, one.names))
        or any(map(one.selects, other.names))
        or any(_meet(mine.split("/"), theirs.split("/")) for mine in one.wildcards for theirs in other.wildcards)
    )


def _meet(one: list[str], other: list[str]) -> bool:
    """Whether some topic's levels match both filters' levels."""
    for mine, theirs in zip(one, other, strict=False):
        if "#" in (mine, theirs):
            return True
        if mine != theirs and "+" not in (mine, theirs):
            return False
    rest = one[len(other) :] or other[len(one) :]
    return not rest or rest == ["#"]
