"""Commands that plugins add to ``spa``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from spa_core._discovery.entries import PLUGINS
from spa_core.cli._endings import OutputClosed
from spa_core.cli._group import BuiltIn, SpaGroup
from spa_core.errors import ConfigurationError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from click.testing import Result

BUILT_IN = {"own": BuiltIn("cli_own:own", "Ours.")}

OWN = """
import click

@click.command
def own():
    click.echo("ours")
"""

DOCTOR = """
import click
from spa_core import hookimpl

@hookimpl
def spa_register_commands(cli):
    @cli.command
    def doctor():
        "Look for faults. And more."
        click.echo("all is well")

    @cli.command("own")
    def usurper():
        click.echo("theirs")
"""


def run(entries: list[EntryPoint], *arguments: str) -> Result:
    """Run a group whose plugins are *entries*."""
    group = SpaGroup(
        name="spa",
        built_in=BUILT_IN,
        entry_points=lambda group: [entry for entry in entries if entry.group == group],
    )
    return CliRunner().invoke(group, arguments, prog_name="spa", catch_exceptions=False)


@pytest.fixture
def doctor(module: Callable[[str, str], Path], distribution: Callable[..., list[EntryPoint]]) -> list[EntryPoint]:
    """Install a plugin that adds the command ``doctor``."""
    module("cli_own", OWN)
    module("cli_doctor", DOCTOR)
    return distribution("spa-doctor", (PLUGINS, "doctor", "cli_doctor"))


def test_a_plugin_adds_a_command(doctor: list[EntryPoint]) -> None:
    """A command that a plugin adds can be called like any other."""
    result = run(doctor, "doctor")

    assert result.exit_code == 0
    assert result.output == "all is well\n"


def test_help_lists_the_commands_of_plugins(doctor: list[EntryPoint]) -> None:
    """The list of commands shows those of plugins among ours."""
    assert "Commands:\n  doctor  Look for faults.\n  own     Ours.\n" in run(doctor, "--help").output


def test_a_misspelt_command_of_a_plugin_is_answered_with_the_nearest(doctor: list[EntryPoint]) -> None:
    """Commands of plugins are suggested too."""
    assert "Did you mean 'doctor'?" in run(doctor, "docter").stderr


def test_a_plugin_cannot_replace_a_command_of_ours(doctor: list[EntryPoint]) -> None:
    """A built-in command stays what it is, whatever a plugin registers under its name."""
    assert run(doctor, "own").output == "ours\n"


def test_a_command_of_ours_loads_no_plugin(
    module: Callable[[str, str], Path], distribution: Callable[..., list[EntryPoint]]
) -> None:
    """A built-in command does not wait for plugins, and a broken one cannot stop it."""
    module("cli_own", OWN)
    module("cli_broken", "raise SystemExit('loaded')")

    assert run(distribution("spa-broken", (PLUGINS, "broken", "cli_broken")), "own").output == "ours\n"


def test_a_broken_plugin_is_reported(
    doctor: list[EntryPoint], module: Callable[[str, str], Path], distribution: Callable[..., list[EntryPoint]]
) -> None:
    """A plugin that cannot be loaded is one line on standard error; the commands of the others work."""
    module("cli_broken", "raise RuntimeError('out of order')")
    result = run([*distribution("spa-broken", (PLUGINS, "broken", "cli_broken")), *doctor], "doctor")

    assert result.exit_code == 0
    assert result.stdout == "all is well\n"
    assert result.stderr.startswith("Warning: the plugin 'broken' of spa-broken cannot be loaded: RuntimeError: out of")
    assert result.stderr.count("\n") == 1


def test_a_conflict_of_plugins_is_reported(
    doctor: list[EntryPoint], distribution: Callable[..., list[EntryPoint]]
) -> None:
    """Two distributions that claim one plugin's name are one line on standard error; our commands work."""
    result = run([*doctor, *distribution("spa-quack", (PLUGINS, "doctor", "cli_quack"))], "--help")

    assert result.exit_code == 0
    assert "  own  Ours." in result.stdout
    assert result.stderr == (
        "Warning: the plugin 'doctor' is claimed by spa-doctor and spa-quack. Uninstall one of them\n"
    )


def test_plugins_can_be_blocked(doctor: list[EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that the environment blocks adds no command."""
    monkeypatch.setenv("SPA_BLOCK_PLUGINS", "doctor")

    assert run(doctor, "doctor").exit_code == 2


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (ConfigurationError("no such bus", hint="Try another"), 2, "Error: no such bus. Try another\n"),
        (RequestError("nobody\nanswered", topic="a"), 1, "Error: nobody answered\n"),
        (KeyboardInterrupt(), 130, ""),
        (OutputClosed(), 0, ""),
    ],
)
def test_a_command_ends_with_one_line(fault: BaseException, code: int, line: str) -> None:
    """An error of SPA's is one line and an exit code; Ctrl-C and a reader of the output who left are no word."""
    group = SpaGroup(name="spa", built_in={}, entry_points=lambda _: [])

    @group.command
    def fail() -> None:
        raise fault

    result = CliRunner().invoke(group, ["fail"])

    assert result.exit_code == code
    assert result.stderr == line


def test_a_fault_of_ours_stays_a_traceback() -> None:
    """Any other exception passes through, so that it is seen as what it is."""
    group = SpaGroup(name="spa", built_in={}, entry_points=lambda _: [])

    @group.command
    def fail() -> None:
        click.echo(1 / 0)

    assert isinstance(CliRunner().invoke(group, ["fail"]).exception, ZeroDivisionError)
