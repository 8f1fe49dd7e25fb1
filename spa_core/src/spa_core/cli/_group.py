"""
The group behind ``spa``: commands that are imported when they are called, and those that plugins add.

It knows where commands come from and how their errors end the process, not what any of them does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from spa_core._discovery.entries import PLUGINS, installed_entry_points, load
from spa_core._suggest import did_you_mean
from spa_core.cli._endings import one_line, reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spa_core._discovery.entries import EntryPoints


class BuiltIn(NamedTuple):
    """
    A command of our own.

    Attributes:
        target: Where it is: ``"module:attribute"``.
        summary: The line that the list of commands shows, so that the list needs no import.
    """

    target: str
    summary: str


class SpaGroup(click.Group):
    """
    A group of built-in commands, each imported on use, and of commands from plugins.

    Plugins are looked for when a command is asked for that is not built in, and for the list of commands; a built-in
    command never waits for them. A plugin cannot replace a built-in command.

    Args:
        built_in: The commands of our own by name.
        entry_points: Where plugins are found.
        **options: As for ``click.Group``.
    """

    def __init__(
        self,
        *,
        built_in: Mapping[str, BuiltIn],
        entry_points: EntryPoints = installed_entry_points,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._built_in = built_in
        self._entry_points = entry_points
        self._asked_plugins = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted; loads the plugins that may add some."""
        self._ask_plugins()
        return sorted({*self._built_in, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or ``None`` if neither we nor a plugin has it; imports what is asked for."""
        if cmd_name in self._built_in:
            return _imported(self._built_in[cmd_name].target)
        if not cmd_name.startswith("-"):  # an option in the place of a command is no reason to load plugins
            self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* begin with; name the nearest one if there is none."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.list_commands(ctx))
            ctx.fail(f"No such command '{name}'.{f' {hint}' if hint else ''}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; built-in ones are not imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever the command returns
        """Run the command that is asked for; an error of SPA's becomes one line and an exit code."""
        with reported(ctx):
            return super().invoke(ctx)

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in self._built_in:
            return self._built_in[name].summary
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str(limit=80)

    def _ask_plugins(self) -> None:
        if self._asked_plugins:
            return
        self._asked_plugins = True
        if not self._entry_points(PLUGINS):
            return
        from spa_core._discovery.plugins import Plugins  # noqa: PLC0415 - slow to import, and seldom needed

        try:
            entries = Plugins(entry_points=self._entry_points).lifecycle_entries()
        except Exception as error:  # noqa: BLE001 - the built-in commands go on working, whatever it is
            _warn(error)
            return
        for entry in entries:
            try:
                Plugins([load(entry, kind="plugin")]).hook.spa_register_commands(cli=self)
            except Exception as error:  # noqa: BLE001 - as above
                _warn(error)


def _imported(target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command


def _warn(error: Exception) -> None:
    click.echo(f"Warning: {one_line(error)}", err=True)
