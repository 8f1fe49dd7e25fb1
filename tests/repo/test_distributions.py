"""The four distributions move in step and carry what each needs when it is installed alone."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(root: Path, distribution: str) -> dict[str, Any]:
    """Return the ``[project]`` table of one distribution."""
    table: dict[str, Any] = tomllib.loads((root / distribution / "pyproject.toml").read_text("utf-8"))["project"]
    return table


@pytest.fixture
def core_version(root: Path) -> str:
    """Return the version of spa-core."""
    return str(tomllib.loads((root / "spa_core" / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def test_the_versions_are_in_step(project: dict[str, Any], core_version: str) -> None:
    """Every distribution has the version of spa-core, written down and not computed."""
    assert project["version"] == core_version


def test_the_changelog_knows_the_version(root: Path, core_version: str) -> None:
    """The newest section of the changelog is about the version in the distributions."""
    sections = re.findall(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert sections[0] == core_version


def test_a_transport_takes_core_as_third_parties_do(project: dict[str, Any], core_version: str) -> None:
    """A transport asks for its own minor version of spa-core or a later one, up to the next major."""
    major, minor, _ = core_version.split(".")
    own = [dependency for dependency in project["dependencies"] if dependency.startswith("spa-")]
    expected = [f"spa-core>={major}.{minor},<{int(major) + 1}"]

    assert own == ([] if project["name"] == "spa-core" else expected)


def test_the_licences_are_one(root: Path, distribution: str) -> None:
    """Every distribution ships the licence of the whole, word for word."""
    assert (root / distribution / "LICENSE").read_bytes() == (root / "LICENSE").read_bytes()


def test_the_packages_are_typed(root: Path, distribution: str) -> None:
    """Every package says to type checkers that its annotations count."""
    assert (root / distribution / "src" / distribution / "py.typed").is_file()


def test_the_workspace_is_complete(root: Path, distribution: str) -> None:
    """Every distribution is a member of the workspace, so that no tool passes one by."""
    workspace = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]

    assert distribution in workspace["uv"]["workspace"]["members"]
    assert distribution in workspace["importlinter"]["root_packages"]
    assert f"{distribution}/src" in workspace["mypy"]["files"]
    assert f"{distribution}/src" in workspace["basedpyright"]["include"]
