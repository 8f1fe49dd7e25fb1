"""What ``spa`` says about itself, and what that costs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

import click
import pytest

from spa_core.cli import BUILT_IN, cli, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

HEAVY = frozenset(
    {"aiokafka", "aiomqtt", "anyio", "asyncio", "msgspec", "pluggy", "spa_inmemory", "spa_kafka", "spa_mqtt"}
)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_no_more_than_it_needs(argument: str) -> None:
    """In a fresh interpreter, the help and the version load no event loop, codec, plugin manager or broker client."""
    # Coverage would load modules of its own into the interpreter it measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    code = (
        "import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules));"
        f"sys.argv = ['spa', {argument!r}]; from spa_core.cli import main; main()"
    )
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    loaded = set(output.splitlines()[-1].split())

    assert "spa_core.cli" in loaded
    assert HEAVY.isdisjoint(loaded)
    assert not [name for name in loaded if name.startswith(("spa_core._application", "spa_core._messaging"))]


def test_the_module_stands_in_for_the_script() -> None:
    """``python -m spa_core.cli`` is ``spa``, by that name."""
    command = [sys.executable, "-m", "spa_core.cli", "--help"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert output.startswith("Usage: spa ")


def test_the_script_ends_with_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The console script reads the arguments of the process and ends it with the exit code."""
    monkeypatch.setattr(sys, "argv", ["spa", "--version"])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"spa {version('spa-core')}\n"


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_listed_command_exists(name: str) -> None:
    """What the list of commands names can be imported and is called so."""
    module, _, attribute = BUILT_IN[name].target.partition(":")
    command = getattr(import_module(module), attribute)

    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_help_lists_every_command(spa: Callable[..., Result]) -> None:
    """``spa --help`` shows every built-in command with one line about it."""
    output = spa("--help").output

    for name, command in BUILT_IN.items():
        assert f"  {name}" in output
        assert command.summary in output


def test_a_misspelt_command_is_answered_with_the_nearest(spa: Callable[..., Result]) -> None:
    """An unknown command is wrong use, and the nearest one is named."""
    result = spa("plugns")

    assert result.exit_code == 2
    assert "No such command 'plugns'. Did you mean 'plugins'?" in result.stderr


def test_a_strange_command_is_refused_without_a_guess(spa: Callable[..., Result]) -> None:
    """An unknown command that resembles none is wrong use."""
    result = spa("xyzzy")

    assert result.exit_code == 2
    assert result.stderr.endswith("No such command 'xyzzy'.\n")


def test_an_option_in_place_of_a_command_is_refused(spa: Callable[..., Result]) -> None:
    """An unknown option is named as such, not taken for a command."""
    result = spa("--hlep")

    assert result.exit_code == 2
    assert "No such option" in result.stderr


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_command_has_help(spa: Callable[..., Result], name: str) -> None:
    """Every command explains itself and its options."""
    result = spa(name, "--help")

    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: spa {name} ")


def test_completion_knows_the_commands() -> None:
    """The shell completes commands and tells what they do."""
    context = click.Context(cli, info_name="spa")
    items = {item.value: item.help for item in cli.shell_complete(context, "p")}

    assert set(items) == {"plugins", "pub"}
