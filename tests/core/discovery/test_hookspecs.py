"""The hooks: what is documented is what is called."""

from __future__ import annotations

import inspect
import re
import textwrap
import typing

import pluggy
import pytest

import spa_core
from spa_core import hookspecs

HOOKS = [name for name in hookspecs.__all__ if name.startswith("spa_")]


def sections(hook: str) -> dict[str, str]:
    """Return the sections of a hook's docstring by their title; the text before the first is ''."""
    parts = re.split(r"^(\w+):$", inspect.getdoc(getattr(hookspecs, hook)) or "", flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def marked() -> dict[str, dict[str, object]]:
    """Return what pluggy knows of each specification."""
    found = {name: getattr(value, "spa_core_spec", None) for name, value in vars(hookspecs).items()}
    return {name: spec for name, spec in found.items() if spec is not None}


def test_every_hook_is_specified_and_public() -> None:
    """Each function of the module that is a hook is marked as one, and listed."""
    assert sorted(marked()) == sorted(HOOKS)
    manager = pluggy.PluginManager("spa_core")
    manager.add_hookspecs(hookspecs)

    assert all(hasattr(manager.hook, hook) for hook in HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_documented_arguments_are_the_real_ones(hook: str) -> None:
    """Every argument is documented, in order, and none that is not there."""
    documented = re.findall(r"^ {4}(\w+): ", sections(hook).get("Args", ""), re.MULTILINE)

    assert documented == list(inspect.signature(getattr(hookspecs, hook)).parameters)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_when_it_is_called_what_it_returns_and_what_an_error_does(hook: str) -> None:
    """The four things an author has to know: when, who wins or how many are called, the result, errors."""
    text = sections(hook)
    returns = inspect.signature(getattr(hookspecs, hook)).return_annotation

    assert "Called " in text[""]
    assert text["Errors"].strip()
    assert ("Returns" in text) == (returns != "None")


@pytest.mark.parametrize("hook", HOOKS)
def test_who_wins_is_documented_as_it_is(hook: str) -> None:
    """Where the first answer counts the docstring says so, and only there."""
    first = bool(marked()[hook]["firstresult"])
    says_first = re.search(r"first answer|until one answers", sections(hook)[""]) is not None

    assert first == says_first


def test_the_annotations_can_be_resolved() -> None:
    """Every type in a hook's signature exists where the module says it is imported from."""
    source = inspect.getsource(hookspecs).partition("if TYPE_CHECKING:\n")[2].partition("__all__")[0]
    names: dict[str, object] = {}
    exec(textwrap.dedent(source), names)  # noqa: S102 - our own source
    for hook in HOOKS:
        hints = typing.get_type_hints(getattr(hookspecs, hook), {**vars(hookspecs), **names})

        assert "return" in hints


def test_the_marker_is_public() -> None:
    """Plugins import ``hookimpl`` from the top."""
    assert spa_core.hookimpl is hookspecs.hookimpl
    assert spa_core.hookimpl.project_name == "spa_core"
