"""Registering a plugin: what does not fit is refused with words, instead of never being called."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pluggy

from spa_core import hookspecs
from spa_core._suggest import did_you_mean
from spa_core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOOKS: Final = tuple(name for name in hookspecs.__all__ if name.startswith("spa_"))

_UNWRAPPED: Final = frozenset(
    {
        "spa_application_lifespan",
        "spa_application_state",
        "spa_before_publish",
        "spa_connection_changed",
        "spa_message_settled",
    }
)
"""Hooks whose implementations are called one by one, without pluggy and therefore without wrappers."""


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows the hooks and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def register(manager: pluggy.PluginManager, plugin: object, *, name: str) -> None:
    """
    Register *plugin*, unless it is registered already.

    Raises:
        PluginError: It implements a hook that does not exist, takes arguments the hook does not have, wraps a hook that
            cannot be wrapped, or is a coroutine function where nobody awaits.
    """
    if manager.is_registered(plugin):
        return
    for hook, function, options in _implementations(manager, plugin):
        _check(plugin, name, hook, function, options)
    manager.register(plugin, name=f"{name}-{id(plugin):x}" if manager.has_plugin(name) else name)


def name_of(plugin: object) -> str:
    """Return what a plugin is called that was given in code."""
    return getattr(plugin, "__name__", type(plugin).__name__)


def _implementations(
    manager: pluggy.PluginManager, plugin: object
) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            yield options.get("specname") or attribute, getattr(plugin, attribute), dict(options)


def _check(plugin: object, name: str, hook: str, function: Callable[..., Any], options: dict[str, Any]) -> None:
    culprit = f"the plugin {name}"
    if hook not in HOOKS:
        if options.get("optionalhook"):
            return
        raise PluginError(
            f"{culprit} implements the hook {hook!r}, which does not exist", plugin=name, hint=did_you_mean(hook, HOOKS)
        )
    known = _arguments(getattr(hookspecs, hook))
    for argument in _arguments(function):
        if argument not in known and not (isinstance(plugin, type) and argument == "self"):
            text = f"{culprit} takes {argument!r} in {hook}, which gives {', '.join(known) or 'nothing'}"
            raise PluginError(text, plugin=name, hint=did_you_mean(argument, known))
    if hook in _UNWRAPPED and (options.get("wrapper") or options.get("hookwrapper")):
        raise PluginError(f"{culprit} is a wrapper of {hook}, which cannot be wrapped", plugin=name)
    if inspect.iscoroutinefunction(function):
        raise PluginError(f"{culprit} implements {hook} as a coroutine, which nobody would await", plugin=name)


def _arguments(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    # What has a default pluggy never passes, so that a plugin can serve an older version of the hook too.
    return [each.name for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
