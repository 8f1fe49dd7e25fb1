"""
How SPA's topics and Kafka's names stand for each other: pure text, no broker in sight.

Kafka knows no levels. A topic with levels is stored under their names with dots between: ``plants/7/flow`` is Kafka's
``plants.7.flow``. A topic without a slash is Kafka's name itself, so what exists as ``orders.eu`` is published to and
subscribed to as ``orders.eu``. Where both are read as levels, by a wildcard, a dot is a slash: ``orders/+`` selects
``orders.eu`` and hands its messages out as ``orders/eu``.

What would not come back as it was given is refused: a dot in one of several levels (``a.b/c`` would come back as
``a/b/c``) and what Kafka cannot store: characters other than ASCII letters, digits, ``.``, ``_`` and ``-``, more than
249 of them, and the names ``.`` and ``..``. Kafka itself refuses to make a topic whose name is another's but for ``.``
and ``_``: beside ``plants.flow`` there can be no ``plants_flow``.

Four kinds of topics are selected by no wildcard that does not name their mark, so that ``#`` means what applications
publish: Kafka's own (``__consumer_offsets``), replies (``spa.reply.…``), dead letters (``….dlq``) and messages that
wait for another attempt (``….retry.…``).
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from spa_core.errors import TopicError
from spa_core.topics import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DEAD_LETTER_TOPIC", "TopicSelection", "kafka_name", "levels_of", "retry_delay", "retry_name"]

DEAD_LETTER_TOPIC: Final = "{topic}/{group}/dlq"
"""The pattern of dead-letter topics: for ``plants/flow`` and group ``g``, Kafka's ``plants.flow.g.dlq``."""

LONGEST_NAME: Final = 249

_REMEMBERED: Final = 4096
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9._-]")
_DEAD_LETTERS: Final = "/dlq"
_RETRY: Final = re.compile(r"\.retry\.(?:([0-9]+)(ms|s|m|h|d))$")
_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds of each unit, the largest first."""

_INTERNAL_MARK: Final = "__"
_REPLY_MARK: Final = "spa.reply."


@lru_cache(_REMEMBERED)
def kafka_name(topic: str) -> str:
    """
    Return Kafka's name for a topic, or for a filter without wildcards.

    A dot in one of several levels is allowed in dead-letter topics only (``orders.eu/group/dlq``), which are subscribed
    to by their exact name.

    Args:
        topic: A valid topic, such as ``plants/7/flow`` or ``orders.eu``.

    Raises:
        TopicError: Kafka cannot store it, or it would not come back as it is.

    Example:
        >>> kafka_name("plants/7/flow"), kafka_name("orders.eu")
        ('plants.7.flow', 'orders.eu')
    """
    illegal = _ILLEGAL.search(topic.replace("/", "."))
    if illegal is not None:
        reason = f"it contains {illegal[0]!r} at index {illegal.start()}"
        raise _fault(topic, reason, "Use ASCII letters, digits, '.', '_' and '-', and '/' between levels")
    if "/" in topic and "." in topic and not topic.endswith(_DEAD_LETTERS):
        raise _dotted(topic)
    name = topic.replace("/", ".")
    if not name.strip(".") and len(name) <= len(".."):
        raise _fault(topic, f"its name there would be {name!r}, which Kafka keeps for itself")
    if len(name) > LONGEST_NAME:
        raise _fault(topic, f"it has {len(name)} characters, and at most {LONGEST_NAME} are allowed")
    return name


def levels_of(name: str) -> str:
    """Return one of Kafka's names as a topic with a level for each part between its dots."""
    return name.replace(".", "/")


class TopicSelection:
    """
    The topics that one subscription means.

    Args:
        filters: Valid filters.

    Attributes:
        filters: As above, each once.
        names: Kafka's names for the filters without wildcards, each once.
        wildcards: The other filters.

    Raises:
        TopicError: A filter cannot select what Kafka stores.

    Example:
        >>> selection = TopicSelection(["plants/+/flow", "orders.eu"])
        >>> selection.names, selection.selects("plants.7.flow"), selection.topic_of("plants.7.flow")
        (('orders.eu',), True, 'plants/7/flow')
    """

    def __init__(self, filters: Iterable[str]) -> None:
        self.filters = tuple(dict.fromkeys(filters))
        self._topics: dict[str, str] = {}
        wildcards: list[str] = []
        for each in self.filters:
            if "+" in each or "#" in each:
                wildcards.append(_checked_wildcard(each))
            else:
                self._topics.setdefault(kafka_name(each), each)
        self.names = tuple(self._topics)
        self.wildcards = tuple(dict.fromkeys(wildcards))

    def selects(self, name: str) -> bool:
        """Return whether the topic that Kafka calls *name* is meant."""
        return name in self._topics or any(_selects(each, name) for each in self.wildcards)

    def topic_of(self, name: str) -> str:
        """
        Return the topic that messages of Kafka's *name* are handed out with.

        It is matched by a filter of the subscription: the one without wildcards that names it, spelled as there, else
        one with wildcards, and then it has a level for each part between the dots.
        """
        return self._topics.get(name) or levels_of(name)


def retry_name(name: str, group: str, delay: float) -> str:
    """
    Return Kafka's name of the topic where messages of *name* wait for their next attempt in *group*.

    Args:
        name: Kafka's name of the topic they come from.
        group: The group that tries again; one whose name Kafka cannot store is told from others by a checksum.
        delay: Seconds that every message waits there, rounded up to milliseconds, at least one.

    Raises:
        TopicError: The name would be too long.

    Example:
        >>> retry_name("plants.7.flow", "detector", 90), retry_name("orders", "detector", 300.0)
        ('plants.7.flow.detector.retry.90s', 'orders.detector.retry.5m')
    """
    made = f"{name}.{_group_part(group)}.retry.{_written(delay)}"
    if len(made) > LONGEST_NAME:
        raise _fault(made, f"it has {len(made)} characters, and at most {LONGEST_NAME} are allowed")
    return made


def retry_delay(name: str) -> float | None:
    """Return the seconds that messages wait in the topic *name*; ``None`` if it is no topic for another attempt."""
    found = _RETRY.search(name)
    return None if found is None else int(found[1]) * _UNITS[found[2]] / 1000


def _written(delay: float) -> str:
    milliseconds = max(1, math.ceil(round(delay * 1000, 6)))  # 4.35 s are 4350 ms, not one more
    return next(f"{milliseconds // size}{unit}" for unit, size in _UNITS.items() if milliseconds % size == 0)


def _group_part(group: str) -> str:
    legal = _ILLEGAL.sub("_", group)
    if legal == group:
        return group
    # Two groups must never share what waits for one of them.
    return f"{legal}-{hashlib.sha256(group.encode(errors='surrogatepass')).hexdigest()[:8]}"


def _checked_wildcard(topic_filter: str) -> str:
    illegal = _ILLEGAL.search(re.sub(r"[/+#]", "-", topic_filter))
    if illegal is not None:
        reason = f"it contains {illegal[0]!r} at index {illegal.start()}, which no topic there does"
        raise _fault(topic_filter, reason)
    if "." in topic_filter:
        raise _dotted(topic_filter)
    return topic_filter


def _selects(wildcard: str, name: str) -> bool:
    return _names_its_mark(wildcard, name) and matches(wildcard, levels_of(name))


def _names_its_mark(wildcard: str, name: str) -> bool:
    """Whether *name* is an application's topic, or of a kind that *wildcard* asks for in so many words."""
    for mark in (_INTERNAL_MARK, _REPLY_MARK):
        if name.startswith(mark) and not wildcard.startswith(levels_of(mark)):
            return False
    if levels_of(name).endswith(_DEAD_LETTERS):
        return wildcard.endswith(_DEAD_LETTERS)
    return retry_delay(name) is None or "/retry/" in wildcard


def _dotted(text: str) -> TopicError:
    level = next(level for level in text.split("/") if "." in level)
    wildcard = "+" in text or "#" in text
    hint = f"Write {levels_of(text)!r}" if wildcard else f"Write {levels_of(text)!r}, or {text.replace('/', '.')!r}"
    return _fault(text, f"its level {level!r} holds a dot, which separates levels there", hint)


def _fault(text: str, reason: str, hint: str | None = None) -> TopicError:
    return TopicError(f"Kafka has no topic for {text!r}: {reason}", topic=text, reason=reason, hint=hint)
