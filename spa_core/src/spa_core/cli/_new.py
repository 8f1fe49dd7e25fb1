"""``spa new``: makes a package to begin with, whose tests are green before anything is changed in it."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast, get_args

import click

from spa_core.cli._names import Kind, read_name
from spa_core.cli._scaffold import check_free, render, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import PurePosixPath

EPILOG: Final = """\b
What NAME is:
  transport  the scheme of its URLs: redis makes spa-redis for redis://host
  codec      the media subtype: cbor makes spa-cbor for application/cbor
  app        the application and its package

\b
Exit codes:
  0    made
  1    could not be written; nothing is left of it
  2    wrong use, such as a name that is taken; nothing was written
"""


@click.command(epilog=EPILOG)
@click.argument("kind", type=click.Choice(get_args(Kind)))
@click.argument("name")
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path),
    help="Where to make it, a folder that is new or empty.  [default: one named after it, here]",
)
def new(kind: str, name: str, directory: Path | None) -> None:
    """
    Make a package to begin with: a transport, a codec or an application.

    It is complete and its tests are green before anything is changed in it; a transport's are the conformance kit.
    """
    names = read_name(cast("Kind", kind), name)
    folder = directory or Path(names.distribution)
    texts = render(kind, {**names._asdict(), "versions": compatible_versions(version("spa-core"))})
    try:
        check_free(folder)
        write(texts, folder)
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    click.echo(f"Made {names.distribution} in {folder}:")
    click.echo("\n".join(f"  {path}" for path in texts))
    click.echo("\n".join(["Next:", *(f"  {command}" for command in next_commands(folder, texts))]))


def compatible_versions(installed: str) -> str:
    """
    Return the versions of SPA that a package made with the *installed* one asks for.

    Example:
        >>> compatible_versions("0.5.1"), compatible_versions("1.2.0rc1")
        ('>=0.5,<1', '>=1.2,<2')
    """
    major, minor = re.findall(r"\d+", installed)[:2]
    return f">={major}.{minor},<{int(major) + 1}"


def next_commands(folder: Path, paths: Iterable[PurePosixPath]) -> list[str]:
    """Return the commands that install and prove what was made, and run it if it can be run."""
    enter = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    programs = [path.parent.name for path in paths if path.name == "__main__.py"]
    return [
        *enter,
        'python -m pip install -e ".[tests]"',
        "python -m pytest",
        *(f"python -m {program}" for program in programs),
    ]
