"""What the pages point to is there: files, headings and tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("spa_*/README.md")])

FENCED = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """Return a page without its code."""
    return FENCED.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """Return what links to the headings of a page end with, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(path: Path) -> str:
    """Return a page as the test's name shows it."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the repository leads to a file, and to a heading of it if it names one."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file) if file else page
        if not target.exists() or (heading and heading not in anchors(target)):
            dead.append(link)

    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_are_named_exist(page: Path) -> None:
    """Every test that a page names as proof is there."""
    tests = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("spa_core/src/spa_core/testing/scenarios/*.py")]
    there = set(re.findall(r"def (test_\w+)", "".join(path.read_text("utf-8") for path in tests)))
    files = {path.stem for path in tests}
    named = set(re.findall(r"`(test_\w+)`", prose(page)))

    assert named - there - files == set()
