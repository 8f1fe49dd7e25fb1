"""What ``spa new`` writes: everything that its templates say, or nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, get_args

import pytest

from spa_core.cli._names import LONGEST, Kind, read_name
from spa_core.cli._scaffold import check_free, render, write
from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

KINDS = get_args(Kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["acme", "vnd.acme.v1", "q" * LONGEST])
def test_every_template_can_be_filled(kind: Kind, name: str) -> None:
    """With any name the modules are Python, within the line length, and the project file is TOML; no gap is left."""
    names = read_name(kind, name)
    texts = render(kind, {**names._asdict(), "versions": ">=1.2,<2"})
    modules = {path: text for path, text in texts.items() if path.suffix == ".py"}
    project = tomllib.loads(texts[PurePosixPath("pyproject.toml")])["project"]

    for path, text in modules.items():
        compile(text, str(path), "exec")
        assert max(map(len, text.splitlines())) <= 120, path
    assert (project["name"], "spa-core>=1.2,<2" in project["dependencies"]) == (names.distribution, True)
    assert PurePosixPath(f"src/{names.package}/py.typed") in texts
    assert not [path for path in texts if re.search("template|__package__", str(path))]
    assert not [path for path, text in texts.items() if "$" in text or (text and not text.endswith("\n"))]


def test_paths_lead_into_new_folders(tmp_path: Path) -> None:
    """Folders that are not there are made, line ends and encoding are the same on every system."""
    write({PurePosixPath("a/b.txt"): "é\n", PurePosixPath("c.txt"): ""}, tmp_path / "new" / "one")

    assert (tmp_path / "new" / "one" / "a" / "b.txt").read_bytes() == "é\n".encode()
    assert (tmp_path / "new" / "one" / "c.txt").read_bytes() == b""


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    """When a file cannot be written those before it go again, and the folders that were made for them."""
    kept = tmp_path / "kept"
    kept.mkdir()
    for folder in (kept, tmp_path / "new" / "one"):
        with pytest.raises(OSError, match="exists"):
            write({PurePosixPath("a/b"): "", PurePosixPath("c"): "", PurePosixPath("c/d"): ""}, folder)

    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


def test_what_somebody_else_writes_is_kept(tmp_path: Path) -> None:
    """A file that is there is neither overwritten nor removed, even if it came after the look into the folder."""
    (tmp_path / "c").write_text("theirs", "utf-8")

    with pytest.raises(FileExistsError):
        write({PurePosixPath("a"): "ours", PurePosixPath("c"): "ours"}, tmp_path)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"c": "theirs"}


def test_only_a_new_or_empty_folder_is_free(tmp_path: Path) -> None:
    """A folder with something in it, a file, and a link that leads nowhere are refused by name."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".hidden").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    check_free(tmp_path / "empty")
    check_free(tmp_path / "new" / "one")
    for name, why in {"full": "full is not empty", "file": "file is no folder", "link": "link is no folder"}.items():
        with pytest.raises(ConfigurationError, match=why):
            check_free(tmp_path / name)
