"""Modules and functions stay short enough to be read in one go."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE_LINES = 320
FUNCTION_LINES = 45


@pytest.fixture
def read_often(root: Path) -> list[Path]:
    """Return the files that people read to learn how SPA works and is used."""
    patterns = ("spa_*/src/**/*.py", "examples/**/*.py", "benchmarks/**/*.py", "noxfile.py")
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the length of a function in lines, without its docstring."""
    start, end = function.lineno, function.end_lineno or function.lineno
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    return end - start + 1 - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1 if docstring else 0)


def test_modules_are_short(read_often: list[Path], root: Path) -> None:
    """No module has more lines than the budget."""
    lengths = {str(path.relative_to(root)): len(path.read_text("utf-8").splitlines()) for path in read_often}

    assert {path: length for path, length in lengths.items() if length > MODULE_LINES} == {}


def test_functions_are_short(read_often: list[Path], root: Path) -> None:
    """No function has more lines than the budget, its docstring not counted."""
    lengths = {
        f"{path.relative_to(root)}:{function.lineno} {function.name}": lines_of(function)
        for path in read_often
        for function in functions(path)
    }

    assert {place: length for place, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_tests_state_their_claim(root: Path) -> None:
    """Every test's docstring says what it proves."""
    silent = [
        f"{path.relative_to(root)}:{function.lineno} {function.name}"
        for path in sorted((root / "tests").rglob("test_*.py"))
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]

    assert silent == []
