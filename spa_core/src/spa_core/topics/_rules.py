"""
The rules of a topic's text, one function a rule; knows what is wrong with a text and nothing of what it matches.

The characters and the limit on levels are Mosquitto's, the strictest of the common brokers; the rest is MQTT 5, §4.7.
"""

from __future__ import annotations

import re
import reprlib
import unicodedata
from typing import Final, NamedTuple

from spa_core.errors import TopicError

MAX_BYTES: Final = 65_535
MAX_LEVELS: Final = 200

_SHARE: Final = "$share/"
_SHORTENED: Final = reprlib.Repr()
_SHORTENED.maxstring = 80

_CONTROLS: Final = "\x00-\x1f\x7f-\x9f"
_SURROGATES: Final = "\ud800-\udfff"
_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)
)
_FORBIDDEN: Final = re.compile(f"[{_CONTROLS}{_SURROGATES}{_NONCHARACTERS}]")
_CHARACTER_KINDS: Final = {"Cc": "control character", "Cs": "surrogate", "Cn": "non-character"}

_WILDCARD: Final = re.compile(r"[+#]")
# The places where a wildcard and something else stand in one level: there a "/" is missing.
_CROWDED: Final = re.compile(r"(?<=[^/])(?=[+#])|(?<=[+#])(?=[^/])")


class Fault(NamedTuple):
    """The rule a text breaks, as the end of a sentence, and the way out."""

    reason: str
    hint: str | None = None

    def error(self, verdict: str, text: str) -> TopicError:
        """Return the error that passes *verdict*, such as ``"Topic {} is invalid"``, on *text*."""
        message = f"{verdict.format(shown(text))}: {self.reason}"
        return TopicError(message, topic=text, reason=self.reason, hint=self.hint)


def shown(value: object) -> str:
    """Return *value* quoted and escaped for a message, cut in the middle if it is long."""
    return _SHORTENED.repr(value)


def topic_fault(text: str) -> Fault | None:
    """Return what keeps *text* from being a topic."""
    return text_fault(text) or _no_wildcard_fault(text)


def filter_fault(text: str) -> Fault | None:
    """Return what keeps *text* from being a filter."""
    return text_fault(text) or wildcard_fault(text)


def text_fault(text: str) -> Fault | None:
    """Return what is wrong with *text* as a topic and as a filter alike."""
    if not text:
        return Fault("it is empty")
    return _character_fault(text) or _size_fault(text) or _share_fault(text)


def _character_fault(text: str) -> Fault | None:
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    kind = _CHARACTER_KINDS[unicodedata.category(found[0])]
    return Fault(f"it contains the {kind} U+{ord(found[0]):04X} at index {found.start()}")


def _size_fault(text: str) -> Fault | None:
    size = len(text.encode())
    if size > MAX_BYTES:
        return Fault(f"it is {size} bytes long in UTF-8, and at most {MAX_BYTES} are allowed")
    levels = text.count("/") + 1
    if levels > MAX_LEVELS:
        return Fault(f"it has {levels} levels, and at most {MAX_LEVELS} are allowed")
    return None


def _share_fault(text: str) -> Fault | None:
    if not text.startswith(_SHARE):
        return None
    group, _, rest = text.removeprefix(_SHARE).partition("/")
    hint = f"Use {shown(rest)} with group={shown(group)}" if group and rest else "Ask for a group with group="
    return Fault("'$share/' is kept for brokers, which share a subscription by it", hint)


def level_fault(text: str) -> Fault | None:
    """Return what keeps *text* from being one level of a topic."""
    slash = text.find("/")
    if slash >= 0:
        return Fault(f"it contains '/' at index {slash}, which separates levels")
    return _no_wildcard_fault(text) or _character_fault(text)


def _no_wildcard_fault(text: str) -> Fault | None:
    found = _WILDCARD.search(text)
    if found is None:
        return None
    return Fault(
        f"it contains the wildcard '{found[0]}' at index {found.start()}, and only a filter may",
        "Publish to one exact topic",
    )


def wildcard_fault(text: str) -> Fault | None:
    """Return what is wrong with the wildcards of *text*, with the filter it probably means."""
    levels = text.split("/")
    for index, level in enumerate(levels):
        found = _WILDCARD.search(level)
        if found is None:
            continue
        if level != found[0]:
            return Fault(
                f"the wildcard '{found[0]}' must fill a whole level, but level {index + 1} is {shown(level)}",
                _repair(text),
            )
        if level == "#" and index + 1 < len(levels):
            return Fault(
                f"the wildcard '#' must be the last level, but it is level {index + 1} of {len(levels)}",
                _repair(text),
            )
    return None


def _repair(text: str) -> str | None:
    """Return a hint with a level for each wildcard, ``#`` only at the end; ``None`` if that is no filter either."""
    meant = _CROWDED.sub("/", text).replace("#/", "+/")
    return None if text_fault(meant) else f"Did you mean {shown(meant)}?"
