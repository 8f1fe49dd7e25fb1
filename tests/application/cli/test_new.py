"""``spa new``: what it makes works before anything is changed in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, get_args

import pytest

from spa_core.cli import _new
from spa_core.cli._names import Kind
from spa_core.cli._new import compatible_versions
from spa_core.cli._scaffold import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

KINDS = get_args(Kind)
MANY = 120  # guarantees of the conformance kit that the made transport is held to, at least


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a made package, as if that were installed."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    pretend_installed(folder / "src", project)
    # Coverage would load modules of its own into the interpreter, and report on what is not ours.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )


def pretend_installed(source: Path, project: dict[str, Any]) -> None:
    """Put beside the package what an installer would: its name and its entry points."""
    metadata = source / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(exist_ok=True)
    lines = [f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"]
    (metadata / "METADATA").write_text("".join(lines), "utf-8")
    groups: dict[str, dict[str, str]] = project.get("entry-points", {})
    entries = [f"[{group}]\n{name} = {value}\n" for group, all_of in groups.items() for name, value in all_of.items()]
    (metadata / "entry_points.txt").write_text("".join(entries), "utf-8")


def made_in(folder: Path) -> list[str]:
    """Return the paths of all files in a folder, as ``spa new`` lists them."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("kind", "options", "least"),
    [("transport", ("-k", "asyncio"), MANY), ("codec", (), 8), ("app", (), 8)],
    ids=KINDS,
)
def test_its_tests_are_green(
    spa: Callable[..., Result], tmp_path: Path, kind: str, options: tuple[str, ...], least: int
) -> None:
    """What was made passes its own tests, warnings being errors; the transport those of the conformance kit."""
    result = spa("new", kind, "waterworks", "--directory", str(tmp_path))
    tests = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options)
    passed = re.search(r"(\d+) passed", tests.stdout)

    assert result.exit_code == 0
    assert tests.returncode == 0, tests.stdout
    assert passed is not None
    assert int(passed[1]) >= least


def test_the_application_runs(spa: Callable[..., Result], tmp_path: Path) -> None:
    """The made application runs as a module and under ``spa run``, and comes to its end."""
    spa("new", "app", "waterworks", "--directory", str(tmp_path))
    ended = [run(tmp_path, "-m", *how) for how in (("waterworks",), ("spa_core.cli", "run", "waterworks.main"))]

    assert [process.returncode for process in ended] == [0, 0], [process.stderr for process in ended]
    assert all("ALARM: the sauna has 85.0 degrees" in process.stderr for process in ended)


@pytest.mark.parametrize(
    ("kind", "folder"), [("transport", "spa-waterworks"), ("codec", "spa-waterworks"), ("app", "waterworks")]
)
def test_it_says_what_it_made(
    spa: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, folder: str
) -> None:
    """Every file is listed, in a folder named after the distribution, with the commands that come next."""
    monkeypatch.chdir(tmp_path)
    result = spa("new", kind, "waterworks")
    first, *rest = result.stdout.splitlines()
    listed, commands = rest[: rest.index("Next:")], rest[rest.index("Next:") + 1 :]

    assert (result.exit_code, result.stderr) == (0, "")
    assert first == f"Made {folder} in {folder}:"
    assert sorted(line.strip() for line in listed) == sorted(made_in(tmp_path / folder)) != []
    assert f"src/{folder.replace('-', '_')}/py.typed" in made_in(tmp_path / folder)
    assert commands[:3] == [f"  cd {folder}", '  python -m pip install -e ".[tests]"', "  python -m pytest"]
    assert commands[3:] == (["  python -m waterworks"] if kind == "app" else [])


def test_no_command_leads_to_where_one_is(
    spa: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the current folder there is no folder to enter; a name with blanks is quoted for the shell."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    here, there = (spa("new", "codec", "acme", "-d", folder).stdout for folder in (".", "../over there"))

    assert "  cd " not in here
    assert "  cd '../over there'\n" in there


def test_it_asks_for_compatible_versions(spa: Callable[..., Result], tmp_path: Path) -> None:
    """What was made asks for the minor version of SPA that made it or a later one, up to the next major."""
    spa("new", "app", "waterworks", "--directory", str(tmp_path))
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]
    versions = compatible_versions(version("spa-core"))

    assert versions.startswith(">=")
    assert project["dependencies"] == [f"spa-core{versions}", f"spa-inmemory{versions}"]


def test_a_folder_with_something_in_it_is_refused(spa: Callable[..., Result], tmp_path: Path) -> None:
    """Nothing is written beside what is there; the error is one line and wrong use."""
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    result = spa("new", "app", "waterworks", "--directory", str(tmp_path))

    assert result.exit_code == 2
    assert result.stderr == f"Error: the folder {tmp_path} is not empty. Name a new one with --directory\n"
    assert made_in(tmp_path) == ["notes.txt"]


def test_a_name_that_cannot_be_used_is_refused(
    spa: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad name is one line and wrong use, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    result = spa("new", "transport", "Acme Bus")

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: 'Acme Bus' is no name for a package; ")
    assert result.stderr.endswith(" Did you mean 'acme-bus'?\n")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_refused(spa: Callable[..., Result]) -> None:
    """What can be made is listed."""
    result = spa("new", "transprot", "acme")

    assert result.exit_code == 2
    assert "'transprot' is not one of 'transport', 'codec', 'app'" in result.stderr


def test_a_disk_that_refuses_leaves_nothing(
    spa: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the files cannot be written that is one line and a failure, and none is left."""

    def render_more(kind: str, words: dict[str, str]) -> dict[PurePosixPath, str]:
        return render(kind, words) | {PurePosixPath("README.md/no-folder"): ""}

    monkeypatch.setattr(_new, "render", render_more)
    result = spa("new", "transport", "acme", "--directory", str(tmp_path / "new"))

    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path / 'new' / 'README.md'} cannot be written: File exists\n"
    assert list(tmp_path.iterdir()) == []
