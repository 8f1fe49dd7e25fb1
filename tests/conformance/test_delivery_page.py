"""The page that tells what holds in memory is what the suite proves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tests" / "inmemory" / "test_conformance.py"
PAGE = ROOT / "docs" / "reference" / "delivery-memory.md"


def test_the_page_about_memory_is_true(tmp_path: Path) -> None:
    """The suite, run three times at once, gives the very page; else make it anew, as the message says."""
    made = tmp_path / "delivery.md"
    command = [sys.executable, "-m", "pytest", str(SUITE), "--quiet", "--spa-stress=3", f"--spa-report={made}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout
    assert made.read_text("utf-8") == PAGE.read_text("utf-8"), (
        f"the page is out of date: pytest {SUITE.relative_to(ROOT)} --spa-report={PAGE.relative_to(ROOT)}"
    )
