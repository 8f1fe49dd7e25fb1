"""
What the documentation shows is true: every Python block and every docstring example is executed.

The blocks of a page run in order, in one module called ``__main__``, as if a reader had typed them into one file. A
block in the language ``output`` is what the blocks before it printed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

if TYPE_CHECKING:
    from sybil import Document, Example

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("spa_*/README.md"))]
MODULES = [path for path in sorted(ROOT.glob("spa_*/src/**/*.py")) if ">>> " in path.read_text("utf-8")]

EXECUTED = {"python", "output"}
# No programs of ours: commands for a shell, what programs read, and what people look at.
SHOWN = {"console", "diff", "ini", "json", "mermaid", "sh", "text", "toml"}


def name_of(path: Path) -> str:
    """Return a path as the test's name shows it."""
    return str(path.relative_to(ROOT))


def evaluate(document: Document) -> None:
    """Execute the examples of a document in order."""
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The Python blocks of a page run, and print what the page says they print."""

    def compare_output(example: Example) -> None:
        assert capsys.readouterr().out == example.parsed, f"{name_of(path)}, line {example.line}"

    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    document = Sybil([PythonCodeBlockParser(), CodeBlockParser("output", compare_output)]).parse(path)
    document.namespace = vars(main)

    evaluate(document)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_docstrings(path: Path) -> None:
    """The examples in a module's docstrings run and show what they say."""
    evaluate(Sybil([DocTestParser()]).parse(path))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_block_has_a_language(path: Path) -> None:
    """Every fenced block says what it is, so that no program escapes execution for want of a label."""
    blocks = re.findall(r"^ *(`{3,})([^\n]*)\n.*?^ *\1$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)

    assert {language for _, language in blocks} <= SHOWN | EXECUTED
