"""The error tree: what is drawn is what is there, and what an error knows is never lost."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import re
from typing import TYPE_CHECKING, Any

import pytest

from spa_core import errors
from spa_core.errors import EndOfSubscription, SpaError

if TYPE_CHECKING:
    from collections.abc import Callable

# One node of the drawing: its depth in characters, its name, and the bases it has besides its parent.
NODE = re.compile(r"^ {4}((?:│   |    )*(?:[├└]── )?)(\w+)(?: \((\w+)\))?(?: {2,}\S.*)?$", re.MULTILINE)
FACTS = {"str": "plants/#", "str | None": "plants/#", "int": 3, "float": 2.5, "Sequence[str]": ["kafka", "mqtt"]}

ALL: list[type[Exception]] = [getattr(errors, name) for name in errors.__all__]
TREE: list[type[SpaError]] = [error for error in ALL if issubclass(error, SpaError)]


def drawn() -> dict[str, tuple[str, ...]]:
    """Return the names of each error's bases, as the module's docstring draws them."""
    above: list[str] = []
    bases: dict[str, tuple[str, ...]] = {}
    for branch, name, foreign in NODE.findall(errors.__doc__ or ""):
        depth = len(branch) // 4
        bases[name] = tuple(filter(None, (above[depth - 1] if depth else "", foreign)))
        above[depth:] = [name]
    return bases


def facts_of(error: type[SpaError]) -> dict[str, Any]:
    """Return a value for every fact that an error's constructor asks for."""
    parameters = list(inspect.signature(error).parameters.values())[1:]
    return {parameter.name: FACTS[parameter.annotation] for parameter in parameters if parameter.name != "hint"}


def test_the_drawing_is_the_tree() -> None:
    """Every public error is drawn once, under its own base and with its foreign ones, and nothing else is drawn."""
    roots = {"SpaError": ()}
    built = {error.__name__: tuple(base.__name__ for base in error.__bases__) for error in ALL} | roots

    assert drawn() == built


def test_every_error_defined_is_public() -> None:
    """No file of the package defines an error that the package does not hand on."""
    files = [importlib.import_module(file.name) for file in pkgutil.iter_modules(errors.__path__, "spa_core.errors.")]

    assert sorted(name for file in files for name in file.__all__) == sorted(errors.__all__)


@pytest.mark.parametrize("error", ALL)
def test_errors_are_at_home_in_one_module(error: type[Exception]) -> None:
    """Tracebacks show an error under the name it is imported by, whatever file defines it."""
    assert error.__module__ == "spa_core.errors"
    assert error.__qualname__ == error.__name__


@pytest.mark.parametrize("error", TREE)
def test_facts_are_attributes(error: type[SpaError]) -> None:
    """What an error is told it keeps, under the same name, and its docstring explains it; lists become tuples."""
    facts = facts_of(error)
    raised = error("no good", **facts)
    documented = "\n".join(ancestor.__doc__ or "" for ancestor in error.__mro__)

    for name, value in facts.items():
        assert getattr(raised, name) == (tuple(value) if isinstance(value, list) else value)
        assert f"\n        {name}: " in documented


@pytest.mark.parametrize("error", TREE)
def test_facts_are_named(error: type[SpaError]) -> None:
    """Only the message is positional; no fact can be mistaken for another."""
    parameters = list(inspect.signature(error).parameters.values())

    assert parameters[0].name == "message"
    assert {parameter.kind for parameter in parameters[1:]} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("error", TREE)
def test_text_is_the_message_and_the_way_out(error: type[SpaError]) -> None:
    """The text is the sentence, followed by the hint if there is one."""
    facts = facts_of(error)
    plain = error("no good", **facts)
    hinted = error("no good", hint="Try better", **facts)

    assert (str(plain), plain.message, plain.hint, plain.args) == ("no good", "no good", None, ("no good",))
    assert (str(hinted), hinted.message, hinted.hint) == ("no good. Try better", "no good", "Try better")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", TREE)
def test_errors_travel_between_processes(error: type[SpaError], protocol: int) -> None:
    """An error comes out of a pickle as it went in, its facts, hint and notes included."""
    raised = error("no good", hint="Try better", **facts_of(error))
    raised.add_note("seen in the north")
    copied = pickle.loads(pickle.dumps(raised, protocol))  # noqa: S301 - our own

    assert type(copied) is error
    assert vars(copied) == vars(raised)
    assert (str(copied), copied.args) == (str(raised), raised.args)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", TREE)
def test_errors_can_be_copied(error: type[SpaError], duplicate: Callable[[SpaError], SpaError]) -> None:
    """A copy knows what the original knows."""
    raised = error("no good", **facts_of(error))
    copied = duplicate(raised)

    assert copied is not raised
    assert vars(copied) == vars(raised)
    assert copied.args == raised.args


def test_the_end_of_a_subscription_is_no_fault() -> None:
    """Who catches every SPA error does not swallow the end of a subscription; it travels between processes too."""
    assert not issubclass(EndOfSubscription, SpaError)
    assert isinstance(pickle.loads(pickle.dumps(EndOfSubscription())), EndOfSubscription)  # noqa: S301 - our own


def test_retriable_is_a_fact_of_the_class() -> None:
    """Only those transport errors are retriable whose cause passes without a change by the caller."""
    retriable = {error.__name__ for error in ALL if getattr(error, "retriable", False)}

    assert retriable == {"ConnectError", "DisconnectedError", "QueueFullError"}
