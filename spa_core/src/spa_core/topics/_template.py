"""A topic, filter or template as one value; knows how it is matched and filled in, not how its parameters are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spa_core.topics._parameters import (
    parameter_names,
    parameters_fault,
    values_fault,
    with_normal_names,
    without_names,
)
from spa_core.topics._rules import text_fault, wildcard_fault
from spa_core.topics._validation import validate_topic


@dataclass(frozen=True, slots=True, repr=False)
class TopicTemplate:
    """
    What an application listens to: an exact topic, a filter, or a template with named levels.

    A name in braces stands for one whole level, like ``+``, and says what the level is called. Templates are immutable,
    and equal if their texts are.

    Args:
        text: Such as ``"plants/7/flow"``, ``"plants/+/flow"`` or ``"plants/{plant}/flow"``. A name is a Python
            identifier, no keyword, and occurs once. Braces have no other use.

    Attributes:
        text: The text, its names normalised as Python normalises identifiers (NFKC).
        names: The names of the parameters, in their order.
        filter: The text with ``+`` for each parameter: what is asked of the broker.
        is_pattern: Whether it contains a wildcard or a parameter; if not, it matches one topic, its text.

    Raises:
        TopicError: The text breaks a rule; ``reason`` says which, ``hint`` gives the way out.

    Example:
        >>> template = TopicTemplate("plants/{plant}/flow")
        >>> template.filter
        'plants/+/flow'
        >>> template.match("plants/7/flow")
        {'plant': '7'}
        >>> template.expand(plant="7")
        'plants/7/flow'
    """

    text: str
    names: tuple[str, ...] = field(init=False, compare=False)
    filter: str = field(init=False, compare=False)
    is_pattern: bool = field(init=False, compare=False)
    _regex: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        given = str.__str__(self.text)
        fault = text_fault(given) or parameters_fault(given) or wildcard_fault(given)
        if fault is not None:
            kind = "Template" if "{" in given or "}" in given else "Filter"
            raise fault.error(f"{kind} {{}} is invalid", given)
        text = with_normal_names(given)
        topic_filter = without_names(text)
        self._set("text", text)
        self._set("names", parameter_names(text))
        self._set("filter", topic_filter)
        self._set("is_pattern", "+" in topic_filter or "#" in topic_filter)
        self._set("_regex", _compiled(text))

    def _set(self, name: str, value: object) -> None:
        # A frozen dataclass refuses plain assignment, to itself as well.
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def match(self, topic: str) -> dict[str, str] | None:
        """
        Return the parameters' values in *topic*, or ``None`` if the template does not match it.

        It matches exactly the topics that :func:`matches` says its ``filter`` matches.

        Args:
            topic: A topic that :func:`validate_topic` accepts; not checked here.

        Returns:
            The values by name, in the order of ``names``; empty for a match without parameters.
        """
        found = self._regex.fullmatch(topic)
        return None if found is None else found.groupdict()

    def expand(self, /, **values: str) -> str:
        """
        Return the topic with *values* for the parameters; :meth:`match` on it gives the values back.

        Args:
            **values: One level of a topic for each name, the empty level included.

        Raises:
            TopicError: A value is missing, unknown or not one level, or the outcome is no topic: it would contain a
                wildcard of the template, be empty or too long.

        Example:
            >>> TopicTemplate("plants/{plant}/flow").expand(plant="7")
            'plants/7/flow'
        """
        fault = values_fault(self.text, self.names, values)
        if fault is not None:
            raise fault.error("Template {} cannot be expanded", self.text)
        # Valid templates have braces only around names, so the text is a format string as it stands.
        return validate_topic(self.text.format_map(values))


def _compiled(text: str) -> re.Pattern[str]:
    """Return what fully matches the topics of the valid template *text*, with a group for each parameter."""
    levels = text.split("/")
    tail = ""
    if levels[-1] == "#":
        levels.pop()
        tail = "(?:/.*)?" if levels else ".*"
    guard = r"(?!\$)" if text.startswith(("+", "#", "{")) else ""
    return re.compile(guard + "/".join(map(_level_pattern, levels)) + tail, re.DOTALL)


def _level_pattern(level: str) -> str:
    if level == "+":
        return "[^/]*"
    if level.startswith("{"):
        return f"(?P<{level[1:-1]}>[^/]*)"
    return re.escape(level)
