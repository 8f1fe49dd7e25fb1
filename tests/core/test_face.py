"""The face of core: names that are imported when they are asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import spa_core


def imports_for_type_checkers() -> dict[str, str]:
    """Return which module each name comes from, as type checkers see it."""
    assert spa_core.__file__ is not None
    tree = ast.parse(Path(spa_core.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_type_checkers_see_what_runs() -> None:
    """The names, their modules and ``__all__`` are the same for type checkers and at run time."""
    homes = spa_core._HOMES

    assert homes == imports_for_type_checkers()
    assert list(homes) == spa_core.__all__


def test_a_name_is_the_thing_itself() -> None:
    """Every public name is the very object of the module it comes from, and stays it."""
    for name, module in spa_core._HOMES.items():
        thing = getattr(spa_core, name)

        assert thing is getattr(sys.modules[module], name)
        assert vars(spa_core)[name] is thing


def test_the_public_modules_can_be_reached() -> None:
    """``import spa_core`` is enough to reach ``spa_core.errors`` and the other public modules."""
    for name in spa_core._MODULES:
        assert getattr(spa_core, name).__name__ == f"spa_core.{name}"


def test_the_face_lists_its_names() -> None:
    """``dir`` shows every public name and module, imported or not."""
    assert {*spa_core.__all__, *spa_core._MODULES} <= set(dir(spa_core))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that does not exist is an error as on any module."""
    with pytest.raises(AttributeError, match="module 'spa_core' has no attribute 'SpaMesage'"):
        spa_core.SpaMesage  # type: ignore[attr-defined] # noqa: B018 - reading it is the test


def test_importing_core_imports_no_part_of_it() -> None:
    """In a fresh interpreter, ``import spa_core`` loads no other module of core and none of its dependencies."""
    code = "import sys, spa_core; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert [name for name in loaded if name.startswith("spa_core.")] == []
    assert {"anyio", "click", "msgspec", "pluggy"}.isdisjoint(loaded)
