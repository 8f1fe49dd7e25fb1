"""Whether one filter matches one topic, said as plainly as can be; the trie says it of many filters at once."""

from __future__ import annotations


def matches(topic_filter: str, topic: str) -> bool:
    """
    Return whether *topic_filter* selects *topic*.

    ``+`` matches one level, an empty one included; ``#`` matches the rest, its parent level included, so ``a/#``
    matches ``a``. A leading wildcard does not match a topic that begins with ``$``. Letters are compared exactly.

    Args:
        topic_filter: A filter that :func:`validate_filter` accepts; not checked here.
        topic: A topic that :func:`validate_topic` accepts; not checked here.

    Example:
        >>> matches("plants/+/flow", "plants/7/flow")
        True
    """
    if topic.startswith("$") and topic_filter.startswith(("+", "#")):
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(given) < len(wanted):
            return False
    elif len(given) != len(wanted):
        return False
    return all(level in ("+", actual) for level, actual in zip(wanted, given, strict=False))
