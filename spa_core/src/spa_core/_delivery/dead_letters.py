"""
Dead letters: what a message that failed for good looks like in its dead-letter topic. Pure, no I/O.

A dead letter is the original message, unchanged in payload, content type, key and headers, with what happened to it in
further headers; so it can be looked at, mended and published again.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Final

from spa_core._failures import words
from spa_core.errors import ConfigurationError, TopicError
from spa_core.message import NO_HEADERS
from spa_core.topics import validate_topic

if TYPE_CHECKING:
    from spa_core.message import SpaMessage
    from spa_core.transport import Capabilities

APPLICATION: Final = "spa-dead-letter-application"
ATTEMPTS: Final = "spa-dead-letter-attempts"
ERROR: Final = "spa-dead-letter-error"
ERROR_TYPE: Final = "spa-dead-letter-error-type"
ORIGIN: Final = "spa-dead-letter-topic"

LONGEST_ERROR: Final = 1000
"""Characters of an error's text that travel: headers are bounded on most brokers."""

_SEPARATOR: Final = "; "  # between the applications that gave up on a message, one after the other
_PLACEHOLDERS: Final = frozenset({"topic", "group"})


def check_pattern(pattern: str) -> None:
    """
    Refuse a pattern that cannot name a dead-letter topic.

    Raises:
        ConfigurationError: A placeholder is unknown, what it makes is no valid topic, or is the message's own.
    """
    try:
        strange = [name for name in _placeholders(pattern) if name not in _PLACEHOLDERS]
        if strange:
            raise _unusable(pattern, f"it has the placeholder {{{strange[0]}}}")
        made = validate_topic(pattern.format(topic="topic", group="group"))
    except (ValueError, TopicError) as error:
        if isinstance(error, ConfigurationError) and not isinstance(error, TopicError):
            raise
        raise _unusable(pattern, str(error)) from error
    if made == "topic":
        raise _unusable(pattern, "it is the topic of the message itself")


def _placeholders(pattern: str) -> list[str]:
    """Return what stands between the braces of *pattern*, word for word."""
    found: list[str] = []
    for _, name, spec, conversion in Formatter().parse(pattern):
        if name is not None:
            found.append(name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else ""))
    return found


def _unusable(pattern: str, reason: str) -> ConfigurationError:
    text = f"the dead-letter topic {pattern!r} cannot be used: {reason}"
    return ConfigurationError(text, hint="It may hold the placeholders {topic} and {group}")


class DeadLetters:
    """
    The dead letters of one application.

    Args:
        pattern: Names their topics; one that :func:`check_pattern` accepts.
        application: The application's name.
        group: Its group, or what stands for it in the pattern.
        capabilities: What the transport can carry.
    """

    def __init__(self, pattern: str, *, application: str, group: str, capabilities: Capabilities) -> None:
        self._pattern = pattern
        self._application = _printable(application)
        # A name may hold anything, "Sensor #1" for one, and a letter whose topic is invalid would never be accepted.
        self._group = re.sub(r"[^\w./-]", "_", group, flags=0 if capabilities.unicode_topics else re.ASCII)
        self._headers = capabilities.headers
        # Found at the end: who fails on this letter and buries it has its topic at the end of his letter's, usually.
        any_topic = re.escape(self._topic("\0")).replace(re.escape("\0"), ".+")
        self._own_topic = re.compile(f"(?:^|/){any_topic}$", re.DOTALL)

    def letter(self, message: SpaMessage, error: BaseException, *, attempts: int) -> SpaMessage:
        """Return the dead letter of *message*; it never expires and is not retained."""
        headers = {**message.headers, **self._report(message, error, attempts)} if self._headers else NO_HEADERS
        return message.replace(topic=self._topic(message.topic), headers=headers, retain=False, ttl=None)

    def hold(self, message: SpaMessage) -> bool:
        """
        Tell whether this application has given up on *message* before, so that it must not bury it again.

        A letter that somebody published again to the topic it came from is a message like any other. Without headers a
        letter is known by its topic.
        """
        if not self._headers:
            return self._own_topic.search(message.topic) is not None
        origin = message.headers.get(ORIGIN)
        if origin is None or (message.topic == origin and self._topic(origin) != origin):
            return False
        return self._gave_up(message)

    def _gave_up(self, message: SpaMessage) -> bool:
        names = message.headers.get(APPLICATION, "")
        return f"{_SEPARATOR}{self._application}{_SEPARATOR}" in f"{_SEPARATOR}{names}{_SEPARATOR}"

    def _topic(self, topic: str) -> str:
        return self._pattern.format(topic=topic, group=self._group)

    def _report(self, message: SpaMessage, error: BaseException, attempts: int) -> dict[str, str]:
        before = message.headers.get(APPLICATION)
        names = [self._application] if before is None else [before, self._application]
        return {
            ORIGIN: message.topic,
            APPLICATION: self._application if self._gave_up(message) else _SEPARATOR.join(names),
            ATTEMPTS: str(attempts),
            ERROR_TYPE: type(error).__name__,
            ERROR: _printable(words(error)[:LONGEST_ERROR]),
        }


def _printable(text: str) -> str:
    """Return *text* without what brokers refuse in a header, such as line ends."""
    return "".join(character if character.isprintable() else " " for character in text)
