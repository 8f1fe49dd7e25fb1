"""An author works on one group of scenarios at a time, by its name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spa_core.testing.suite import TransportSuite

ROOT = Path(__file__).parents[2]
GROUPS = ("reconnect", "settlement")


@pytest.mark.parametrize("group", GROUPS)
def test_pytest_selects_a_group_by_its_name(group: str) -> None:
    """``pytest -k spa_GROUP`` collects the scenarios of that group, and no others."""
    command = [sys.executable, "-m", "pytest", "tests/inmemory/test_conformance.py", "-q", "--collect-only"]
    collected = subprocess.run(
        [*command, "-k", f"spa_{group}"], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )

    names = set(re.findall(r"::(test_\w+)\[", collected.stdout))
    assert names == {scenario.name for scenario in TransportSuite.scenarios() if scenario.group == group}
