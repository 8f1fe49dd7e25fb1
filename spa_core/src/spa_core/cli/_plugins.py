"""``spa plugins``: lists what is installed, from metadata; imports it only to see whether that works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
import msgspec

from spa_core._discovery.entries import (
    CODECS,
    PLUGINS,
    TRANSPORTS,
    distribution_name,
    installed_entry_points,
    load,
    sole_entry,
)
from spa_core._discovery.plugins import Plugins
from spa_core.cli._endings import DONE, FAILED, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

    from spa_core._discovery.entries import EntryPoints

KINDS: Final = {"transport": TRANSPORTS, "codec": CODECS, "plugin": PLUGINS}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """
    One installed plugin.

    Attributes:
        kind: ``"transport"``, ``"codec"`` or ``"plugin"``.
        name: The URL scheme, the media subtype, or the plugin's name.
        distribution: Who declares it.
        version: That distribution's version.
        module: What would be imported.
        problem: Why it cannot be used; ``None`` if nothing is known against it.
    """

    kind: str
    name: str
    distribution: str
    version: str | None
    module: str
    problem: str | None = None


@click.command
@click.option(
    "--load", "loading", is_flag=True, help="Import each to see whether it works; exit code 1 if one does not."
)
@click.option("--json", "in_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def plugins(ctx: click.Context, *, loading: bool, in_json: bool) -> None:
    """
    List the installed transports, codecs and plugins.

    Read from the metadata of what is installed; nothing is imported unless --load asks for it. A name that two
    distributions claim is shown as a problem: neither can be used.
    """
    rows = installed(installed_entry_points, loading=loading)
    click.echo(msgspec.json.encode(rows).decode() if in_json else table(rows))
    ctx.exit(FAILED if loading and any(row.problem for row in rows) else DONE)


def installed(entry_points: EntryPoints, *, loading: bool) -> list[Row]:
    """Return what is installed, by kind and name; with *loading* each is imported to see what is wrong with it."""
    return [
        _row(kind, entry, entries, loading=loading)
        for kind, group in KINDS.items()
        for entries in [entry_points(group)]
        for entry in _distinct(entries)
    ]


def table(rows: Sequence[Row]) -> str:
    """Return rows as aligned text, a problem below the row it belongs to."""
    if not rows:
        return "Nothing is installed. Try: pip install spa-inmemory"
    cells = [("KIND", "NAME", "DISTRIBUTION", "VERSION", "MODULE")]
    cells += [(row.kind, row.name, row.distribution, row.version or "-", row.module) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    for index, row in reversed(list(enumerate(rows, start=1))):
        if row.problem is not None:
            lines.insert(index + 1, f"  problem: {row.problem}")
    return "\n".join(lines)


def _distinct(entries: Sequence[EntryPoint]) -> list[EntryPoint]:
    """Return entries by name; a distribution that is on the path twice declares its own only once."""
    distinct = {(entry.name, distribution_name(entry), entry.value): entry for entry in entries}
    return [distinct[key] for key in sorted(distinct)]


def _row(kind: str, entry: EntryPoint, entries: list[EntryPoint], *, loading: bool) -> Row:
    return Row(
        kind=kind,
        name=entry.name,
        distribution=distribution_name(entry),
        version=None if entry.dist is None else entry.dist.version,
        module=entry.value,
        problem=_problem(kind, entry, entries, loading=loading),
    )


def _problem(kind: str, entry: EntryPoint, entries: list[EntryPoint], *, loading: bool) -> str | None:
    try:
        sole_entry(entries, kind=kind, name=entry.name)
        if loading:
            Plugins([load(entry, kind=kind)])
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a plugin is what is asked for
        return one_line(error)
    return None
