"""
From ``module:attribute`` to an application, or to one clear sentence about what is wrong with it.

It imports what a user names. What the user's own code raises on import is the user's, and passes through.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from spa_core._application.distributed import DistributedApplication
from spa_core._suggest import did_you_mean
from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


class Target(NamedTuple):
    """
    The name of an application, or of a function that makes one.

    Attributes:
        module: The dotted name of a module.
        attribute: The dotted name of what is in it.
    """

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def read_target(text: str) -> Target:
    """
    Read ``module:attribute``; ``module`` alone stands for ``module:app``.

    Raises:
        ConfigurationError: It is something else.
    """
    module, _, attribute = text.partition(":")
    target = Target(module, attribute or "app")
    if all(part.isidentifier() for part in module.split(".")) and not module.endswith(".py"):
        return target
    likely = target._replace(module=module.removesuffix(".py").strip("./").replace("/", "."))
    message = f"{module!r} is no name of a module; an application is named as in shop.main:app"
    raise ConfigurationError(message, hint=f"Did you mean '{likely}'?" if likely != target else None)


def find(target: Target, *, folder: Path) -> object:
    """
    Import the module and return what *target* names in it.

    Args:
        target: The name.
        folder: Where modules are looked for first.

    Raises:
        ConfigurationError: There is no such module or no such attribute.
        Exception: What the module raises on import.
    """
    sys.path.insert(0, str(folder))
    found: object = _module(target.module, folder)
    known = f"the module {target.module}"
    for name in target.attribute.split("."):
        if not hasattr(found, name):
            raise ConfigurationError(f"{known} has no attribute {name!r}", hint=_hint(found, name))
        found = getattr(found, name)
        known = f"{target.module}:{name}"
    return found


def call_factory(target: Target, found: object) -> object:
    """
    Call what *target* names; a coroutine function's result has to be awaited.

    Raises:
        ConfigurationError: It cannot be called.
        Exception: What the factory raises.
    """
    if not callable(found):
        message = f"{target} is a {type(found).__name__}, which cannot be called"
        raise ConfigurationError(message, hint="If it is the application itself, leave out --factory")
    made: object = found()
    return made


def application(target: Target, found: object, *, made: bool) -> DistributedApplication:
    """
    Return *found* if it is an application.

    Args:
        target: Its name, for the error.
        found: What may be an application.
        made: Whether *target* is a factory that made it.

    Raises:
        ConfigurationError: It is something else.
    """
    if isinstance(found, DistributedApplication):
        return found
    kind = type(found).__name__
    message = f"{target} {'made' if made else 'is'} a {kind}, not a DistributedApplication"
    raise ConfigurationError(message, hint="If it makes one, add --factory" if callable(found) and not made else None)


def _module(name: str, folder: Path) -> object:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name
        if missing is None or not f"{name}.".startswith(f"{missing}."):
            raise  # something that the module itself imports
        message = f"there is no module {missing!r} in {folder} or among the installed ones"
        hint = _nearest_module(missing, folder) or "Say with --app-dir which folder it is in"
        raise ConfigurationError(message, hint=hint) from error


def _nearest_module(missing: str, folder: Path) -> str | None:
    *parents, last = missing.split(".")
    siblings = [module.name for module in pkgutil.iter_modules([str(folder.joinpath(*parents))])]
    return did_you_mean(last, siblings)


def _hint(found: object, missing: str) -> str | None:
    names = (
        {name: thing for name, thing in vars(found).items() if not name.startswith("_")}
        if hasattr(found, "__dict__")
        else {}
    )
    applications = [name for name, thing in names.items() if isinstance(thing, DistributedApplication)]
    if suggestion := did_you_mean(missing, applications or names):
        return suggestion
    return f"It has the application {' and '.join(applications)}" if applications else None
