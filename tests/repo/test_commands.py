"""The README's two commands are all a newcomer needs, and CI runs no other."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def commands(root: Path) -> list[str]:
    """Return the README's ``sh`` blocks."""
    return re.findall(r"^```sh\n(.*?)\n```$", (root / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_first_command_runs_the_example(commands: list[str], root: Path) -> None:
    """The first block is one line that installs core and the in-memory transport and runs an example that exists."""
    command = commands[0]
    script = command.rsplit(" ", 1)[-1]

    assert "\n" not in command
    assert "-e spa_core -e spa_inmemory" in command
    assert script.startswith("examples/")
    assert (root / script).is_file()


def test_the_second_command_runs_every_check(commands: list[str]) -> None:
    """The second block is one line that ends in nox without arguments, so that no session is left out."""
    command = commands[1]

    assert "\n" not in command
    assert command.endswith("&& .venv/bin/nox")


def test_the_commands_stay_in_the_checkout(commands: list[str]) -> None:
    """Both commands install into the checkout's own environment, made by whatever ``python3`` is."""
    assert all(command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ") for command in commands[:2])


def test_ci_runs_the_second_command(commands: list[str], root: Path) -> None:
    """The last line of the script that CI runs is the README's second command, word for word."""
    script = root / ".ci" / "run"

    assert script.read_text("utf-8").splitlines()[-1] == commands[1]
    assert script.stat().st_mode & 0o111, "the script can be executed"


def test_nox_has_one_pin(commands: list[str], root: Path) -> None:
    """The README installs the nox that the dependency groups pin."""
    groups = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    (pin,) = (tool for tool in groups["dev"] if isinstance(tool, str) and tool.startswith("nox=="))

    assert f" {pin} " in commands[1]
