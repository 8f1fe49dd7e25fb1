"""
Dead letters: what a message that failed for good looks like in its dead-letter topic. Pure, no I/O.

A dead letter is the original message, unchanged in payload, content type, key and headers, with what happened to it in
further headers; so it can be looked at, mended and published again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core.errors import ConfigurationError, TopicError
from spa_core.topics import validate_topic

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

APPLICATION: Final = "spa-dead-letter-application"
ATTEMPTS: Final = "spa-dead-letter-attempts"
ERROR: Final = "spa-dead-letter-error"
ERROR_TYPE: Final = "spa-dead-letter-error-type"
ORIGIN: Final = "spa-dead-letter-topic"

LONGEST_ERROR: Final = 1000
"""Characters of an error's text that travel: headers are bounded on most brokers."""


def check_pattern(pattern: str) -> None:
    """
    Refuse a pattern that cannot name a topic.

    Raises:
        ConfigurationError: A placeholder is unknown, or the names it makes are no valid topics.
    """
    try:
        validate_topic(pattern.format(topic="topic", group="group"))
    except (KeyError, IndexError, ValueError, TopicError) as error:
        text = f"the dead-letter topic {pattern!r} cannot be used: {type(error).__name__}: {error}"
        raise ConfigurationError(text, hint="It may hold the placeholders {topic} and {group}") from error


def dead_letter(
    message: SpaMessage, error: BaseException, *, pattern: str, application: str, group: str, attempts: int
) -> SpaMessage:
    """Return the dead letter of *message*; it never expires and is not retained."""
    headers = {
        **message.headers,
        ORIGIN: message.topic,
        APPLICATION: application,
        ATTEMPTS: str(attempts),
        ERROR_TYPE: type(error).__name__,
        ERROR: str(error)[:LONGEST_ERROR],
    }
    topic = pattern.format(topic=message.topic, group=group)
    return message.replace(topic=topic, headers=headers, retain=False, ttl=None)


def is_dead_letter_of(message: SpaMessage, application: str) -> bool:
    """Whether the message is a dead letter this application has written, which it must not write again."""
    return message.headers.get(APPLICATION) == application
