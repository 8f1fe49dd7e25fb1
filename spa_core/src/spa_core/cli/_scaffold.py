"""
Makes the files of a new package from templates, all of them or none; knows nothing of what is in them.

A template is a file of the package as it will be, with ``$word`` where a name of the package stands
(``string.Template``), under its own name with ``.template`` behind it; the folder ``__package__`` is named after the
package.
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template
from typing import TYPE_CHECKING, Final

from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

_SUFFIX: Final = ".template"
_PACKAGE: Final = "__package__"


def render(kind: str, words: Mapping[str, str]) -> dict[PurePosixPath, str]:
    """
    Return the files of a package, by their paths in it, sorted.

    Args:
        kind: The folder of templates.
        words: What stands for each ``$word`` in them; ``package`` is one.
    """
    templates = _walk(files("spa_core.cli") / "_scaffolds" / kind, PurePosixPath())
    made = {
        PurePosixPath(str(path).removesuffix(_SUFFIX).replace(_PACKAGE, words["package"])): Template(text)
        for path, text in templates
    }
    return {path: made[path].substitute(words) for path in sorted(made)}


def _walk(folder: Traversable, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, place / entry.name)
        else:
            yield place / entry.name, entry.read_text("utf-8")


def check_free(folder: Path) -> None:
    """
    Refuse a place where something is.

    Raises:
        ConfigurationError: *folder* is no folder, or is not empty.
        OSError: It cannot be looked into.
    """
    if folder.is_dir():
        if any(folder.iterdir()):
            raise ConfigurationError(f"the folder {folder} is not empty", hint="Name a new one with --directory")
    elif folder.exists() or folder.is_symlink():
        raise ConfigurationError(f"{folder} is no folder", hint="Name a new one with --directory")


def write(texts: Mapping[PurePosixPath, str], folder: Path) -> None:
    """
    Write files and the folders they are in; after a failure nothing of it is left.

    Raises:
        OSError: Something cannot be written.
    """
    with ExitStack() as undo:
        for path, text in texts.items():
            _make_folder((folder / path).parent, undo)
            with (folder / path).open("x", encoding="utf-8", newline="\n") as file:
                undo.callback((folder / path).unlink)
                file.write(text)
        undo.pop_all()


def _make_folder(folder: Path, undo: ExitStack) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, undo)
    folder.mkdir()
    undo.callback(folder.rmdir)
