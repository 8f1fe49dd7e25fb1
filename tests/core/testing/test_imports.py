"""What the kit loads, and when."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def loaded_by(statement: str) -> set[str]:
    """Return the names of all modules that a statement loads in a fresh interpreter."""
    # Coverage would load modules of its own into the interpreter it measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"]
    return set(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split())


def test_core_does_without_the_kit() -> None:
    """Nothing of the kit is loaded with core."""
    loaded = loaded_by("from spa_core import *")

    assert not [module for module in loaded if module.startswith("spa_core.testing")]


@pytest.mark.parametrize(
    "statement",
    [
        "import spa_core.testing",
        "from spa_core.testing import FaultProxy",
        "from spa_core.testing import Fault, FaultSchedule",
        "from spa_core.testing import virtual_time; virtual_time('asyncio')",
    ],
)
def test_tools_load_no_more_than_they_need(statement: str) -> None:
    """What needs neither pytest nor Hypothesis nor trio loads none of them."""
    assert loaded_by(statement).isdisjoint({"_pytest", "hypothesis", "pytest", "trio"})
