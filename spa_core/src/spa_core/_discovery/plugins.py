"""
The plugins of one application: a pluggy manager that loads what is needed when it is needed.

Every application has its own, so that two applications (or two tests) in one process never share a plugin's hooks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pluggy

from spa_core import hookspecs
from spa_core._discovery.entries import (
    CODECS,
    PLUGINS,
    TRANSPORTS,
    EntryPoints,
    distribution_name,
    installed_entry_points,
    load,
    sole_entry,
)
from spa_core._suggest import did_you_mean
from spa_core.codecs import Codec, CodecRegistry
from spa_core.errors import PluginConflictError, PluginError, PluginLoadError, UnknownSchemeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

KNOWN_TRANSPORTS = {
    "kafka": "spa-kafka",
    "kafka+ssl": "spa-kafka",
    "memory": "spa-inmemory",
    "mqtt": "spa-mqtt",
    "mqtt+unix": "spa-mqtt",
    "mqtts": "spa-mqtt",
    "ws": "spa-mqtt",
    "wss": "spa-mqtt",
}
"""Which distribution of ours serves a scheme, so that the error for a missing one can name the pip line."""


class Plugins:
    """The plugins of one application."""

    def __init__(
        self,
        plugins: Iterable[object] = (),
        *,
        entry_points: EntryPoints = installed_entry_points,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """
        Register plugins given in code; those of entry points are loaded when they are needed.

        Raises:
            PluginError: A plugin implements a hook that does not exist, or takes arguments the hook does not have.
        """
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._entry_points = entry_points
        self._environment = environment
        self._loaded_lifecycle = False
        for plugin in plugins:
            self._register(plugin, name=f"given:{_name_of(plugin)}-{id(plugin):x}")
        given = [codec for codecs in self._manager.hook.spa_codecs() for codec in codecs]
        self.codecs = CodecRegistry(given, find=self._find_codec, known=self._codec_names)

    @property
    def hook(self) -> Any:  # noqa: ANN401 - pluggy's relay has no static type
        """The hooks, to be called by keyword."""
        return self._manager.hook

    def implementations(self, hook: str) -> list[Callable[..., Any]]:
        """Return the implementations of one hook in calling order, to be looked up once and called often by keyword."""
        caller = getattr(self._manager.hook, hook)
        return [_taking_its_own(implementation) for implementation in reversed(caller.get_hookimpls())]

    def schemes(self) -> list[str]:
        """Return the installed URL schemes, sorted; nothing is imported."""
        return sorted({entry.name for entry in self._entry_points(TRANSPORTS)})

    def load_transport(self, scheme: str) -> object:
        """
        Load the transport of one scheme, and no other.

        Raises:
            UnknownSchemeError: No installed transport serves it.
            PluginConflictError: Two distributions claim it.
            PluginLoadError: Its import failed.
        """
        name = f"transport:{scheme}"
        if (plugin := self._manager.get_plugin(name)) is not None:
            return plugin
        entry = sole_entry(self._entry_points(TRANSPORTS), kind="transport", name=scheme)
        if entry is None:
            raise self._unknown_scheme(scheme)
        return self._load_and_register(entry, name=name, kind="transport")

    def load_transports_of(self, package: str) -> None:
        """Load the transports whose plugin lives in *package*."""
        entries = self._entry_points(TRANSPORTS)
        for scheme in sorted({entry.name for entry in entries if entry.module.partition(".")[0] == package}):
            self.load_transport(scheme)

    def load_lifecycle(self) -> None:
        """
        Load the plugins of ``spa_core.plugins``, once, as ``SPA_PLUGINS`` and ``SPA_BLOCK_PLUGINS`` narrow them.

        Raises:
            PluginLoadError: An import failed; an operator who has to start without it blocks it.
        """
        if self._loaded_lifecycle:
            return
        self._loaded_lifecycle = True
        for entry in self.lifecycle_entries():
            self._load_and_register(entry, name=f"plugin:{entry.name}", kind="plugin")

    def lifecycle_entries(self) -> list[EntryPoint]:
        """Return the entries that :meth:`load_lifecycle` loads."""
        wanted = _names(self._environment.get("SPA_PLUGINS"))
        blocked = _names(self._environment.get("SPA_BLOCK_PLUGINS"))
        entries = self._entry_points(PLUGINS)
        names = sorted({entry.name for entry in entries})
        if wanted is not None:
            self._check_wanted(wanted, names)
        chosen = [name for name in names if (wanted is None or name in wanted) and name not in (blocked or ())]
        found = (sole_entry(entries, kind="plugin", name=name) for name in chosen)
        return [entry for entry in found if entry is not None]

    def _check_wanted(self, wanted: Iterable[str], names: Sequence[str]) -> None:
        for name in wanted:
            if name not in names:
                text = f"SPA_PLUGINS names {name!r}, installed are: {', '.join(names) or 'none'}"
                raise PluginError(text, plugin=name, hint=did_you_mean(name, names))

    def _load_and_register(self, entry: EntryPoint, *, name: str, kind: str) -> object:
        plugin = load(entry, kind=kind)
        # One module may serve several schemes; pluggy registers an object once.
        if not self._manager.is_registered(plugin):
            try:
                self._register(plugin, name=name)
            except PluginError as error:
                owner = distribution_name(entry)
                raise PluginLoadError(error.message, plugin=entry.name, distribution=owner, hint=error.hint) from error
        return plugin

    def _register(self, plugin: object, *, name: str) -> None:
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            self._manager.unregister(plugin)
            hooks = [hook for hook in hookspecs.__all__ if hook.startswith("spa_")]
            unknown = next((word for word in str(error).replace("'", " ").split() if word.startswith("spa_")), "")
            hint = did_you_mean(unknown, hooks) if unknown not in hooks else None
            raise PluginError(f"the plugin {name} does not fit: {error}", plugin=name, hint=hint) from error

    def _unknown_scheme(self, scheme: str) -> UnknownSchemeError:
        installed = self.schemes()
        known = {*installed, *KNOWN_TRANSPORTS}
        hints = [did_you_mean(scheme, known - {scheme}), _pip_line(scheme, known, installed)]
        return UnknownSchemeError(
            f"no installed transport serves the URL scheme {scheme!r}; installed are: {', '.join(installed) or 'none'}",
            scheme=scheme,
            installed=installed,
            hint=" ".join(hint for hint in hints if hint) or None,
        )

    def _codec_names(self) -> list[str]:
        return sorted({entry.name for entry in self._entry_points(CODECS)})

    def _find_codec(self, subtype: str) -> Codec | None:
        entry = sole_entry(self._entry_points(CODECS), kind="codec", name=subtype)
        if entry is None:
            return None
        plugin = load(entry, kind="codec")
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        manager.register(plugin)
        codecs: list[Codec] = [codec for found in manager.hook.spa_codecs() for codec in found]
        wanted = f"application/{subtype}"
        matching = [codec for codec in codecs if wanted in codec.content_types]
        if len(matching) > 1:
            owner = distribution_name(entry)
            raise PluginConflictError(f"{owner} offers {wanted} twice", plugin=subtype, distributions=[owner])
        return next(iter(matching or codecs), None)


def _taking_its_own(implementation: pluggy.HookImpl) -> Callable[..., Any]:
    """Return a function that passes on only the arguments the implementation takes."""
    function, names = implementation.function, implementation.argnames

    def call(**arguments: object) -> object:
        return function(**{name: arguments[name] for name in names})

    return call


def _name_of(plugin: object) -> str:
    return getattr(plugin, "__name__", type(plugin).__name__)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _pip_line(scheme: str, known: Iterable[str], installed: Sequence[str]) -> str | None:
    from spa_core._suggest import nearest  # noqa: PLC0415 - only on the way to an error

    distribution = KNOWN_TRANSPORTS.get(scheme) or KNOWN_TRANSPORTS.get(nearest(scheme, known) or "")
    if distribution is None or any(KNOWN_TRANSPORTS.get(name) == distribution for name in installed):
        return None
    return f"Try: pip install {distribution}"
