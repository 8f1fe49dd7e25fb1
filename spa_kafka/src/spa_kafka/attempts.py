"""
The text beside a committed offset: how often the records behind it were delivered and given back. Pure.

Kafka does not count deliveries; so a member that leaves tells the next one. The text is bounded, because brokers refuse
more than four kilobytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_attempts", "write_attempts"]

_MARK: Final = "spa-attempts:"
_LONGEST: Final = 3000


def write_attempts(attempts: Mapping[int, int], offset: int) -> str:
    """Return the text to commit beside *offset*; the lowest offsets count where not all fit."""
    parts: list[str] = []
    room = _LONGEST
    for each, made in sorted(attempts.items()):
        if each < offset:
            continue
        part = f"{each - offset}={made}"
        room -= len(part) + 1
        if room < 0:
            break
        parts.append(part)
    return _MARK + ",".join(parts) if parts else ""


def read_attempts(text: str, offset: int) -> dict[int, int]:
    """Return the deliveries made of each offset; a text that another program wrote says nothing."""
    if not text.startswith(_MARK):
        return {}
    attempts: dict[int, int] = {}
    for part in text[len(_MARK) :].split(","):
        distance, _, made = part.partition("=")
        if not (distance.isdecimal() and made.isdecimal()):
            return {}
        attempts[offset + int(distance)] = int(made)
    return attempts
