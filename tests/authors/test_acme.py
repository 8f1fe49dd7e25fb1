"""The example of a third party's transport is one that can be copied: small, and built on what anybody may import."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "acme_transport"
SOURCES = sorted((EXAMPLE / "src" / "acme_transport").glob("*.py"))
BROKER = ("server.py", "wire.py")  # the broker, and what stands for its client library
LINES = 250

NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_code(text: str) -> int:
    """Return how many lines of a module hold code: neither blank, nor comment, nor docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def test_the_transport_is_small() -> None:
    """Without its broker and the broker's client library it has at most 250 lines of code."""
    lengths = {path.name: lines_of_code(path.read_text("utf-8")) for path in SOURCES if path.name not in BROKER}

    assert sum(lengths.values()) <= LINES, lengths


@pytest.mark.parametrize("path", [*SOURCES, *sorted((EXAMPLE / "tests").glob("*.py"))], ids=lambda path: path.name)
def test_it_imports_public_modules_only(path: Path) -> None:
    """Of SPA it imports only the packages and modules that are listed as public, and nothing from inside of them."""
    imported = set(re.findall(r"^\s*(?:from|import) (spa_\w+(?:\.\w+)*)", path.read_text("utf-8"), re.MULTILINE))
    public = {"spa_core", *(f"spa_core.{room}" for room in ("config", "errors", "testing", "topics", "transport"))}

    assert imported <= public


def test_its_plugin_is_light() -> None:
    """Importing the plugin imports neither the transport nor what it uses of the network."""
    program = "import sys, acme_transport.plugin; print(*(name for name in sys.modules if name.startswith('acme_')))"
    environment = {"PYTHONPATH": str(EXAMPLE / "src")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)

    assert done.stdout.split() == ["acme_transport", "acme_transport.plugin"]


def test_it_takes_core_as_our_own_transports_do() -> None:
    """It asks for the same versions of core as the in-memory transport."""
    projects = [
        tomllib.loads((folder / "pyproject.toml").read_text("utf-8")) for folder in (EXAMPLE, ROOT / "spa_inmemory")
    ]
    acme, memory = (
        [each for each in project["project"]["dependencies"] if each.startswith("spa-core")] for project in projects
    )

    assert acme == memory
