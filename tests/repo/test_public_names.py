"""What is public is listed, exists and is documented."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = ("spa_core", "spa_inmemory", "spa_mqtt", "spa_kafka")


def order(name: str) -> tuple[bool, bool, str]:
    """Return the sort key of a name: constants first, then classes, then the rest, as ruff sorts them (RUF022)."""
    return (not name.isupper(), not name[:1].isupper(), name)


def documentable(public_module: str) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions of our own that a module makes public, with their public methods."""
    module = importlib.import_module(public_module)
    for name in module.__all__:
        thing = getattr(module, name)
        if not inspect.isroutine(thing) and not inspect.isclass(thing):
            continue
        if thing.__module__.partition(".")[0] not in OURS:
            continue
        yield name, thing
        if inspect.isclass(thing):
            yield from ((f"{name}.{member}", getattr(thing, member)) for member in methods(thing))


def methods(thing: type) -> list[str]:
    """Return the names of the public methods and properties that a class defines itself."""
    kinds = (property, classmethod, staticmethod)
    return [
        name
        for name, member in vars(thing).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, kinds))
    ]


def test_public_names_are_listed(public_module: str) -> None:
    """Every public module lists its public names, sorted and each once."""
    names = importlib.import_module(public_module).__all__

    assert names == sorted(set(names), key=order)


def test_public_names_exist(public_module: str) -> None:
    """Every public name can be imported."""
    module = importlib.import_module(public_module)

    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_public_names_are_documented(public_module: str) -> None:
    """Every public module, class, function and method has a docstring of its own or of what it overrides."""
    silent = [name for name, thing in documentable(public_module) if not inspect.getdoc(thing)]

    assert importlib.import_module(public_module).__doc__
    assert silent == []
