"""What the page about the architecture draws is what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")


def drawn_floors() -> list[set[str]]:
    """Return the rooms of each floor as ``docs/explanation/architecture.md`` draws them, from the top down."""
    lines = re.findall(r"^ \d  (.*)$", PAGE, re.MULTILINE)
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


@pytest.mark.parametrize("transport", ["spa_inmemory", "spa_mqtt", "spa_kafka"])
def test_the_drawn_transports_are_the_files(transport: str) -> None:
    """The drawing of each transport names every one of its files."""
    drawings = re.findall(r"^```text\n(.*?)^```$", PAGE.partition("## The transports")[2], re.MULTILINE | re.DOTALL)
    drawing = drawings[["spa_inmemory", "spa_mqtt", "spa_kafka"].index(transport)]
    package = ROOT / transport / "src" / transport
    files = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}

    assert files - {"__init__"} - set(re.findall(r"\w+", drawing)) == set()


def test_the_places_are_there() -> None:
    """Every file that the page sends a newcomer to exists."""
    table = PAGE.partition("## Where to find what")[2]
    sources = [ROOT / "spa_core/src/spa_core", *ROOT.glob("spa_*/src")]
    places = re.findall(r"`([\w/]+(?:\.py|/))`", table)

    assert places
    assert [place for place in places if not any((source / place).exists() for source in sources)] == []
