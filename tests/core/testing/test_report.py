"""Reports of a conformance suite: counted, written and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.testing.report import Report, Result, read_reports, to_json, to_markdown, write_reports
from spa_core.testing.scenario import Scenario
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from pathlib import Path

HELD = Result(scenario=Scenario(name="test_a", group="settlement", claim="It ``holds``."), outcome="held")
NEW = Result(
    scenario=Scenario(name="test_b", group="ordering", claim="It is new.", needs=("ordering>=key",), provisional=True),
    outcome="held",
)
FAILED = Result(
    scenario=Scenario(name="test_c", group="settlement", claim="It fails."), outcome="failed", reason="1 | 2\n3"
)


def report(*results: Result, capabilities: Capabilities | None = None) -> Report:
    """Return a report of one suite."""
    return Report(
        suite="TestPlant", transport="PlantConfig()", capabilities=capabilities or Capabilities(), results=results
    )


def test_a_page_has_a_table_for_each_group() -> None:
    """A page counts the outcomes, names what is declared, and lists the guarantees under their groups."""
    capabilities = Capabilities(groups=True, ordering="key", max_payload=5)

    assert to_markdown([report(NEW, HELD, FAILED, capabilities=capabilities)]).splitlines() == [
        "# Delivery: Plant",
        "",
        "What the conformance suite proves of `PlantConfig()`: 2 held, 1 fails.",
        "Made by `pytest --spa-report`, not by hand.",
        "",
        "Declared: `max_payload=5`, `groups`, `ordering=key`.",
        "",
        "## Ordering",
        "",
        "| guarantee | needs | outcome |",
        "|---|---|---|",
        "| It is new. | `ordering>=key` | held, new |",
        "",
        "## Settlement",
        "",
        "| guarantee | needs | outcome |",
        "|---|---|---|",
        "| It `holds`. |  | held |",
        "| It fails. |  | **FAILS**: 1 \\| 2 3 |",
    ]


def test_a_transport_may_declare_nothing() -> None:
    """A page says so where nothing is declared."""
    assert "\nDeclared: nothing.\n" in to_markdown([report(HELD)])


@given(st.lists(st.lists(st.sampled_from([HELD, NEW, FAILED])).map(lambda results: report(*results))))
def test_reports_come_back_from_json(reports: list[Report]) -> None:
    """What is written as JSON means the same when it is read."""
    assert msgspec.json.decode(to_json(reports), type=list[Report]) == reports


def test_files_are_written_and_read(tmp_path: Path) -> None:
    """A file is JSON unless its name ends in .md; its folder is made; only JSON can be read."""
    data, page = tmp_path / "new" / "report.json", tmp_path / "new" / "report.md"
    for path in (data, page):
        write_reports([report(HELD, FAILED)], path)

    assert read_reports(data) == [report(HELD, FAILED)]
    assert page.read_text("utf-8") == to_markdown([report(HELD, FAILED)])
    with pytest.raises(msgspec.DecodeError):
        read_reports(page)
