"""From a name to an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spa_core import DistributedApplication
from spa_core.cli._target import Target, application, call_factory, find, read_target
from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHOP = """
from types import SimpleNamespace
from spa_core import DistributedApplication

app = DistributedApplication()
nested = SimpleNamespace(inner=SimpleNamespace(app=app))
number = 7
"""


@pytest.fixture
def folder(module: Callable[[str, str], Path]) -> Path:
    """Write the module ``cli_shop`` and return its folder."""
    return module("cli_shop", SHOP).parent


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("shop", Target("shop", "app")),
        ("shop:", Target("shop", "app")),
        ("shop.main:make", Target("shop.main", "make")),
        ("shop:parts.app", Target("shop", "parts.app")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    """A target is a module and an attribute, which may be nested and is ``app`` if left out."""
    assert read_target(text) == target


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("shop.py", "Did you mean 'shop:app'?"),
        ("./shop/main.py:make", "Did you mean 'shop.main:make'?"),
        ("shop/main", "Did you mean 'shop.main:app'?"),
        ("", None),
        (":app", None),
        ("shop-1", None),
    ],
)
def test_what_is_no_module_name_is_refused(text: str, hint: str | None) -> None:
    """A file's path is answered with the name it has as a module; nonsense with an example."""
    with pytest.raises(ConfigurationError, match=r"named as in shop\.main:app") as caught:
        read_target(text)

    assert caught.value.hint == hint


@pytest.mark.parametrize("attribute", ["app", "nested.inner.app"])
def test_an_application_is_found(folder: Path, attribute: str) -> None:
    """The attribute is found in a module of the folder, nested ones too."""
    target = Target("cli_shop", attribute)

    assert isinstance(application(target, find(target, folder=folder), made=False), DistributedApplication)


def test_the_folder_comes_first(folder: Path, tmp_path: Path) -> None:
    """A module in the folder hides others of its name."""
    first = tmp_path / "first"
    first.mkdir()
    (first / "cli_shop.py").write_text("app = 'first'", "utf-8")

    assert find(Target("cli_shop", "app"), folder=first) == "first"
    assert folder == tmp_path


@pytest.mark.parametrize(
    ("name", "missing", "hint"),
    [
        ("cli_shpo", "cli_shpo", "Did you mean 'cli_shop'?"),
        ("xyzzy", "xyzzy", "Say with --app-dir which folder it is in"),
        ("xyzzy.main", "xyzzy", "Say with --app-dir which folder it is in"),
        ("cli_shop.mian", "cli_shop.mian", "Say with --app-dir which folder it is in"),
        ("cli_package.mian", "cli_package.mian", "Did you mean 'main'?"),
    ],
)
def test_a_missing_module_is_named(folder: Path, name: str, missing: str, hint: str) -> None:
    """A module that does not exist is named with the folder, and the nearest one that does."""
    package = folder / "cli_package"
    package.mkdir()
    for file in ("__init__.py", "main.py"):
        (package / file).touch()

    with pytest.raises(ConfigurationError) as caught:
        find(Target(name, "app"), folder=folder)

    assert caught.value.message == f"there is no module {missing!r} in {folder} or among the installed ones"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import xyzzy", ModuleNotFoundError),
        ("from xyzzy import main", ModuleNotFoundError),
        ("raise ModuleNotFoundError", ModuleNotFoundError),
        ("1 / 0", ZeroDivisionError),
        ("def", SyntaxError),
    ],
)
def test_what_a_module_raises_is_its_own(module: Callable[[str, str], Path], text: str, error: type[Exception]) -> None:
    """What goes wrong inside the module passes through, a module that is missing there too."""
    folder = module("cli_faulty", text).parent

    with pytest.raises(error):
        find(Target("cli_faulty", "app"), folder=folder)


@pytest.mark.parametrize(
    ("attribute", "line"),
    [
        ("ap", "the module cli_shop has no attribute 'ap'. Did you mean 'app'?"),
        ("server", "the module cli_shop has no attribute 'server'. It has the application app"),
        ("nested.iner", "cli_shop:nested has no attribute 'iner'. Did you mean 'inner'?"),
        ("number.app", "cli_shop:number has no attribute 'app'"),
    ],
)
def test_a_missing_attribute_is_named(folder: Path, attribute: str, line: str) -> None:
    """An attribute that does not exist is named with the nearest one, or with the applications there are."""
    with pytest.raises(ConfigurationError) as caught:
        find(Target("cli_shop", attribute), folder=folder)

    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("found", "made", "line"),
    [
        (7, False, "shop:app is a int, not a DistributedApplication"),
        (7, True, "shop:app made a int, not a DistributedApplication"),
        (
            print,
            False,
            "shop:app is a builtin_function_or_method, not a DistributedApplication. If it makes one, add --factory",
        ),
    ],
)
def test_what_is_no_application_is_refused(found: object, made: bool, line: str) -> None:  # noqa: FBT001
    """Anything but an application is named by its type; what can be called may be a factory."""
    with pytest.raises(ConfigurationError) as caught:
        application(Target("shop", "app"), found, made=made)

    assert str(caught.value) == line


def test_a_factory_is_called() -> None:
    """A factory's result is returned."""
    assert call_factory(Target("shop", "make"), dict) == {}


def test_an_application_is_no_factory() -> None:
    """With an application in place of a factory the way out is named."""
    with pytest.raises(
        ConfigurationError, match=r"cannot be called\. If it is the application itself, leave out --factory"
    ):
        call_factory(Target("shop", "app"), DistributedApplication())
