"""What the page for authors of transports says of the contract and of the kit is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spa_core import errors
from spa_core.testing.hooks import Hooks
from spa_core.testing.probes import PROBES
from spa_core.testing.suite import TransportSuite
from spa_core.transport import Capabilities

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "write-a-transport.md").read_text("utf-8")
ROWS = {
    cells[0].strip("`"): cells
    for line in re.findall(r"^\| (`\w+` \|.*) \|$", PAGE, re.MULTILINE)
    if len(cells := [cell.strip() for cell in line.split("|")]) == 5
}


def needs(capability: str) -> set[str]:
    """Return the groups of the scenarios that a capability gates."""
    gated = (
        each for each in TransportSuite.scenarios() if any(need.split(">=")[0] == capability for need in each.needs)
    )
    return {scenario.group for scenario in gated}


def test_every_capability_has_a_row() -> None:
    """The table names each capability, and nothing else."""
    assert set(ROWS) == set(Capabilities.__struct_fields__)


@pytest.mark.parametrize("capability", Capabilities.__struct_fields__)
def test_a_row_says_what_the_kit_does(capability: str) -> None:
    """It is marked if and only if the kit fails what works undeclared, and the groups it names are gated by it."""
    _, _, mark, _, groups = ROWS[capability]

    assert (mark == "✓") == (capability in {probe.split(">=")[0] for probe in PROBES})
    assert set(re.findall(r"`(\w+)`", groups)) <= needs(capability)
    assert groups or not needs(capability)


def test_the_scenarios_it_names_exist() -> None:
    """No name of a scenario is misspelt, and the groups of the day's plan are the kit's."""
    scenarios = list(TransportSuite.scenarios())
    plan = re.findall(r"^\| [\d\w ]+ \|.*\| ([^|]+) \|$", PAGE[: PAGE.index("## The package")], re.MULTILINE)
    groups = {name for row in plan for name in re.findall(r"`(\w+)`", row)}

    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= {scenario.name for scenario in scenarios}
    assert groups <= {scenario.group for scenario in scenarios}
    assert len(groups) > 10


def test_the_errors_and_hooks_it_names_exist() -> None:
    """Every error of the table is in the tree, and every hook is one of the suite's."""
    named = set(re.findall(r"`(\w+Error)`", PAGE)) - {"CancelledError"}
    hooks = set(re.findall(r"`((?:make|cut|restart|create)_\w+)`", PAGE)) - {"make_provider"}

    assert named <= set(errors.__all__)
    assert hooks
    assert hooks <= set(dir(Hooks))
