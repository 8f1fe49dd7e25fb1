"""The guards at the door: they return a valid text and refuse any other; the rules themselves are in ``_rules``."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from spa_core.topics._rules import filter_fault, topic_fault

# Enough for the topics a process publishes to over and over; a flood of unique ones only pushes out older ones.
_REMEMBERED: Final = 1024


def validate_topic(topic: str) -> str:
    """
    Return *topic* if a message can be published to it on every transport.

    A topic is 1 to 65,535 bytes of UTF-8 in at most 200 levels separated by ``/``; levels may be empty. It contains no
    wildcard, control character (NUL included), surrogate or non-character such as U+FFFF, and does not begin with
    ``$share/``, which nobody could subscribe to. Asking again for one of the last thousand valid topics is a look-up.

    Args:
        topic: The text to check.

    Returns:
        The topic as a plain ``str``, also for a subclass such as a ``StrEnum`` member.

    Raises:
        TopicError: The text breaks a rule; ``reason`` says which.

    Example:
        >>> validate_topic("plants/7/flow")
        'plants/7/flow'
    """
    return _valid_topic(topic)


def validate_filter(topic_filter: str) -> str:
    """
    Return *topic_filter* if it can be subscribed to on every transport that knows wildcards.

    The rules are those of :func:`validate_topic`, but for wildcards: ``+`` stands for exactly one level, ``#`` as the
    last level for any number of levels, none included. MQTT's ``$share/group/filter`` is refused, since groups are
    asked for with ``group=`` on every transport.

    Args:
        topic_filter: The text to check; an exact topic is a filter that matches itself.

    Returns:
        The filter as a plain ``str``.

    Raises:
        TopicError: The text breaks a rule; ``reason`` says which, ``hint`` gives the filter probably meant.

    Example:
        >>> validate_filter("plants/+/flow")
        'plants/+/flow'
    """
    return _valid_filter(topic_filter)


@lru_cache(_REMEMBERED)
def _valid_topic(topic: str) -> str:
    # Not str(topic): that gives "Color.RED" for a member of an enum of strings.
    text = str.__str__(topic)
    fault = topic_fault(text)
    if fault is not None:
        raise fault.error("Topic {} is invalid", text)
    return text


@lru_cache(_REMEMBERED)
def _valid_filter(topic_filter: str) -> str:
    text = str.__str__(topic_filter)
    fault = filter_fault(text)
    if fault is not None:
        raise fault.error("Filter {} is invalid", text)
    return text
