"""The house drawn in the documentation is the one the import rules keep."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def drawn_floors() -> list[set[str]]:
    """Return the rooms of each floor as ``docs/explanation/architecture.md`` draws them, from the top down."""
    page = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    lines = re.findall(r"^ \d  (.*)$", page, re.MULTILINE)
    # The rooms stand before a wide gap, what they are for behind it; small private rooms are named in parentheses.
    return [set(line.split("   ")[0].split()) | set(re.findall(r"_\w+", line)) for line in lines]


def kept_floors() -> list[set[str]]:
    """Return the rooms of each floor as import-linter keeps them, from the top down."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["id"] == "floors")
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def test_the_drawn_house_is_the_kept_one() -> None:
    """Every room stands on the floor the import rules put it on, and none is missing."""
    assert drawn_floors() == kept_floors()
