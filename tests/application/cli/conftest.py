"""The command line in this process, Python in processes of its own, and modules and plugins that exist for one test."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from spa_core.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def spa(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``spa`` in this process; faults are raised."""
    monkeypatch.delenv("SPA_URL", raising=False)

    def invoke(*arguments: str, stdin: str | bytes = "") -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin, prog_name="spa", catch_exceptions=False)

    return invoke


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python in the test's folder, in processes that do not outlive the test."""
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def ended() -> Callable[[subprocess.Popen[str]], tuple[int, str, str]]:
    """Wait for the end of a process; return its exit code and what it printed that the test has not read yet."""

    def wait(process: subprocess.Popen[str]) -> tuple[int, str, str]:
        assert process.stdout is not None
        assert process.stderr is not None
        # Not communicate(), which passes by what readline() has buffered.
        output, errors = process.stdout.read(), process.stderr.read()
        return process.wait(timeout=30), output, errors

    return wait


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Write modules that can be imported until the test ends."""
    monkeypatch.syspath_prepend(tmp_path)
    path = list(sys.path)

    def write(name: str, text: str) -> Path:
        file = tmp_path / f"{name}.py"
        file.write_text(text, "utf-8")
        return file

    yield write
    sys.path[:] = path
    for name, loaded in list(sys.modules.items()):
        if str(getattr(loaded, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def distribution() -> Callable[..., list[EntryPoint]]:
    """Make the entry points ``(group, name, value)`` of a distribution, version 1.2.3."""

    def make(name: str, *entries: tuple[str, str, str]) -> list[EntryPoint]:
        owner = SimpleNamespace(name=name, version="1.2.3")
        points = [EntryPoint(name=entry, value=value, group=group) for group, entry, value in entries]
        for point in points:
            vars(point).update(dist=owner)
        return points

    return make
