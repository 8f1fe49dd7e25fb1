"""What people read: the report as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from control_room import Report, Spell
    from detector import Checked


def summary(report: Report, checked: Checked, *, seconds: float) -> str:
    """Return what was found, one line a spell."""
    low = sum(spell.is_low for spell in report.spells)
    high = len(report.spells) - low
    lines = (
        "",
        f"{checked.readings:,} readings of plant {report.plant} checked in {seconds:.2f} s",
        f"spells of low flow: {low}, of high flow: {high}",
        "",
        "flow  first hour        last hour         hours  worst  usual      z",
        *map(_row, report.spells),
    )
    return "\n".join(lines)


def when(time: datetime) -> str:
    """Return a time as people write it."""
    return f"{time.day} {time:%B %H:%M}"


def _row(spell: Spell) -> str:
    kind, worst = "low" if spell.is_low else "high", spell.worst
    return (
        f"{kind:4}  {when(spell.first):16}  {when(spell.last):16}  {spell.hours:5}"
        f"  {worst.flow:5.1f}  {worst.usual:5.1f}  {worst.z:5.1f}"
    )
