"""Which guarantees a transport holds: the outcome of every scenario, as data, as JSON and as a page for people."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import msgspec

from spa_core.testing.scenario import Scenario
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Outcome", "Report", "Result", "read_reports", "to_json", "to_markdown", "write_reports"]

Outcome: TypeAlias = Literal["held", "undeclared", "unproven", "provisional", "failed"]
"""
What became of a scenario, from best to worst: it holds; the transport does not declare what it needs, so core refuses
it; it was skipped for another reason; it fails, and is too new to fail the suite; it fails.
"""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

_WORDS: Final[dict[Outcome, str]] = {
    "held": "held",
    "undeclared": "not declared",
    "unproven": "not proved",
    "provisional": "**fails** (provisional)",
    "failed": "**FAILS**",
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of one scenario.

    Attributes:
        scenario: The scenario.
        outcome: The worst outcome of all event loops it was run on.
        reason: Why it was skipped or failed; empty where it holds.
    """

    scenario: Scenario
    outcome: Outcome
    reason: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one suite proves about one transport. It holds no times, so that the same outcome gives the same report.

    Attributes:
        suite: The name of the suite's class.
        transport: The provider's description, secrets redacted; empty if none could be made.
        capabilities: What it declares.
        results: The scenarios that were run or skipped, by group and name.
    """

    suite: str
    transport: str
    capabilities: Capabilities
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many scenarios ended so."""
        return sum(result.outcome == outcome for result in self.results)


def to_json(reports: Sequence[Report]) -> bytes:
    """Return reports as JSON, laid out for people and for comparing lines."""
    return msgspec.json.format(msgspec.json.encode(reports), indent=2) + b"\n"


def to_markdown(reports: Iterable[Report]) -> str:
    """Return reports as one page of tables, the guarantees by group."""
    return "\n".join(line for report in reports for line in _page(report))


def write_reports(reports: Sequence[Report], path: Path) -> None:
    """Write reports to a file, as a page if its name ends in ``.md``, else as JSON."""
    content = to_markdown(reports).encode() if path.suffix == ".md" else to_json(reports)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def read_reports(path: Path) -> list[Report]:
    """
    Read what was written as JSON.

    Raises:
        msgspec.ValidationError: It is no report.
    """
    return msgspec.json.decode(path.read_bytes(), type=list[Report])


def _page(report: Report) -> list[str]:
    counts = ", ".join(f"{report.count(each)} {_plain(each)}" for each in OUTCOMES if report.count(each))
    lines = [
        f"# Delivery: {report.suite.removeprefix('Test')}",
        "",
        f"What the conformance suite proves of `{report.transport}`: {counts}.",
        "Made by `pytest --spa-report`, not by hand.",
        "",
        f"Declared: {_declared(report.capabilities)}.",
        "",
    ]
    for group, results in groupby(report.results, key=lambda result: result.scenario.group):
        lines += [f"## {group.capitalize()}", "", "| guarantee | needs | outcome |", "|---|---|---|"]
        lines += [_row(result) for result in results]
        lines.append("")
    return lines


def _row(result: Result) -> str:
    scenario = result.scenario
    # What a scenario needs stands in the row already; why it failed does not.
    reason = "" if result.outcome in ("held", "undeclared") or not result.reason else f": {result.reason}"
    new = ", new" if scenario.provisional and result.outcome == "held" else ""
    cells = (scenario.claim, ", ".join(f"`{need}`" for need in scenario.gates), _WORDS[result.outcome] + new + reason)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def _plain(outcome: Outcome) -> str:
    return _WORDS[outcome].replace("*", "").lower()


def _declared(capabilities: Capabilities) -> str:
    declared = msgspec.structs.asdict(capabilities)
    defaults = msgspec.structs.asdict(Capabilities())
    said = [
        f"`{name}`" if value is True else f"`{name}={value}`"
        for name, value in declared.items()
        if value != defaults[name]
    ]
    return ", ".join(said) or "nothing"
