"""Quantities with units as text; knows units of time and of size, nothing of configurations."""

from __future__ import annotations

import enum
import re
from typing import Annotated

__all__ = ["ByteSize", "Seconds", "Unit", "read_bytes", "read_seconds"]


class Unit(enum.Enum):
    """Marks a number as a quantity: the metadata of an ``Annotated`` type."""

    SECONDS = enum.auto()
    BYTES = enum.auto()


Seconds = Annotated[float, Unit.SECONDS]
"""
A duration in seconds, zero or more and finite.

Text gives it as a number of seconds or with one of the units us, ms, s, m, h, d: ``1.5``, ``250ms``, ``2m``.
"""

ByteSize = Annotated[int, Unit.BYTES]
"""
A size in bytes, zero or more.

Text gives it as a number of bytes or with a unit, in any case: powers of 1000 are B, kB, MB, GB and TB, powers of 1024
are KiB, MiB, GiB and TiB: ``1024``, ``64KiB``, ``1.5MB``. A fraction must come out as whole bytes.
"""

_SECONDS_TEXT = re.compile(r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(us|ms|s|m|h|d)?")
_BYTES_TEXT = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?(b|[kmgt]b|[kmgt]ib)?", re.IGNORECASE | re.ASCII)

# A product and a quotient, not one factor: 35 / 1000 is the float nearest to 0.035, 35 * 0.001 is not.
_SECONDS = {"us": (1, 1_000_000), "ms": (1, 1000), "s": (1, 1), "m": (60, 1), "h": (3600, 1), "d": (86400, 1)}
_BYTES = {"b": 1} | {
    prefix + suffix: base**power
    for suffix, base in (("b", 1000), ("ib", 1024))
    for power, prefix in enumerate("kmgt", start=1)
}


def read_seconds(text: str) -> float | None:
    """Return the seconds *text* stands for, or ``None`` if it is no duration; infinite if it is out of range."""
    match = _SECONDS_TEXT.fullmatch(text)
    if match is None:
        return None
    times, divided_by = _SECONDS[match[2] or "s"]
    return float(match[1]) * times / divided_by


def read_bytes(text: str) -> int | None:
    """Return the bytes *text* stands for, or ``None`` if it is no whole number of bytes."""
    match = _BYTES_TEXT.fullmatch(text)
    if match is None:
        return None
    fraction = match[2] or ""
    tenths = int(match[1] + fraction) * _BYTES[(match[3] or "b").lower()]
    size, rest = divmod(tenths, 10 ** len(fraction))
    return None if rest else size
