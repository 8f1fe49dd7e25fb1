"""Collects a report from a run of pytest, out of what its tests tell about themselves; knows no suite and no kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spa_core.testing._notes import ScenarioNote, TransportNote, notes_of
from spa_core.testing.report import OUTCOMES, Report, Result, write_reports
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from spa_core.testing.report import Outcome

__all__ = ["Recorder"]


class _Suite:
    """What is known about one suite so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.transport = ""
        self.capabilities = Capabilities()
        self.results: dict[str, Result] = {}

    def add(self, result: Result) -> None:
        """Keep the worst result of a scenario: of its phases, and of the event loops it was run on."""
        known = self.results.get(result.scenario.name)
        if known is None or OUTCOMES.index(result.outcome) > OUTCOMES.index(known.outcome):
            self.results[result.scenario.name] = result

    def report(self) -> Report:
        """Return what is known."""
        results = sorted(self.results.values(), key=lambda result: (result.scenario.group, result.scenario.name))
        return Report(suite=self.name, transport=self.transport, capabilities=self.capabilities, results=tuple(results))


class Recorder:
    """
    A plugin that writes one report for each suite of the run.

    Args:
        paths: The files to write.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._suites: dict[str, _Suite] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what became of a scenario."""
        notes = notes_of(report)
        for about in notes:
            if not isinstance(about, ScenarioNote):
                continue
            suite = self._suites.setdefault(about.suite, _Suite(about.suite))
            undeclared = False
            for note in notes:
                if isinstance(note, TransportNote):
                    suite.transport, suite.capabilities = note.transport, note.capabilities
                    undeclared = note.undeclared
            outcome = _outcome(report, undeclared=undeclared)
            suite.add(Result(scenario=about.scenario, outcome=outcome, reason=_reason(report)))

    def pytest_sessionfinish(self) -> None:
        """Write the files."""
        reports = [suite.report() for suite in self._suites.values()]
        for path in self._paths:
            write_reports(reports, path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401 - pytest keeps its type private
        """Say where the files are."""
        for path in self._paths:
            terminalreporter.write_line(f"conformance report: {path}")


def _outcome(report: pytest.TestReport, *, undeclared: bool) -> Outcome:
    if report.failed:
        return "failed"
    if not report.skipped:
        return "held"
    if hasattr(report, "wasxfail"):
        return "provisional"
    return "undeclared" if undeclared else "unproven"


def _reason(report: pytest.TestReport) -> str:
    """Return the first line of why a test was skipped or failed."""
    if report.passed:
        return ""
    text = getattr(report, "wasxfail", "")
    if not text:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else _crash(report.longrepr)
    return text.removeprefix("reason: ").removeprefix("Skipped: ").partition("\n")[0]


def _crash(longrepr: Any) -> str:  # noqa: ANN401 - one of several of pytest's private types
    crash = getattr(longrepr, "reprcrash", None)
    return str(longrepr).strip().rpartition("\n")[2] if crash is None else str(crash.message)
