"""
The plugins of one application: a pluggy manager that loads what is needed when it is needed.

Every application has its own, so that two applications (or two tests) in one process never share a plugin's hooks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from spa_core._discovery.codecs import codec_of
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
from spa_core._discovery.registration import name_of, new_manager, register
from spa_core._discovery.schemes import unknown_scheme
from spa_core._suggest import did_you_mean
from spa_core.codecs import Codec, CodecRegistry
from spa_core.errors import PluginError, PluginLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    import pluggy


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
            PluginError: A plugin implements a hook that does not exist, or implements one as it cannot be called.
            PluginConflictError: Two plugins offer a codec for one content type.
        """
        self._manager = new_manager()
        self._entry_points = entry_points
        self._environment = environment
        self._loaded_lifecycle = False
        for plugin in plugins:
            register(self._manager, plugin, name=name_of(plugin))
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
            raise unknown_scheme(scheme, self.schemes())
        return self._load_and_register(entry, name=name, kind="transport")

    def load_transports_of(self, package: str) -> None:
        """Load the transports whose plugin lives in *package*."""
        entries = self._entry_points(TRANSPORTS)
        for scheme in sorted({entry.name for entry in entries if entry.module.partition(".")[0] == package}):
            self.load_transport(scheme)

    def owner_of(self, scheme: str) -> str:
        """Return the name of the distribution that serves a scheme."""
        entry = sole_entry(self._entry_points(TRANSPORTS), kind="transport", name=scheme)
        return scheme if entry is None else distribution_name(entry)

    def load_lifecycle(self) -> None:
        """
        Load the plugins of ``spa_core.plugins``, once, as ``SPA_PLUGINS`` and ``SPA_BLOCK_PLUGINS`` narrow them.

        Raises:
            PluginLoadError: An import failed; an operator who has to start without it blocks it.
        """
        if self._loaded_lifecycle:
            return
        for entry in self.lifecycle_entries():
            self._load_and_register(entry, name=f"plugin:{entry.name}", kind="plugin")
        self._loaded_lifecycle = True  # at the end: a start that failed must not make the next one leave plugins out

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
        try:
            register(self._manager, plugin, name=name)
        except PluginError as error:
            owner = distribution_name(entry)
            text = f"{error.message} (of {owner})"
            raise PluginLoadError(text, plugin=entry.name, distribution=owner, hint=error.hint) from error
        return plugin

    def _codec_names(self) -> list[str]:
        return sorted({entry.name for entry in self._entry_points(CODECS)})

    def _find_codec(self, subtype: str) -> Codec | None:
        entry = sole_entry(self._entry_points(CODECS), kind="codec", name=subtype)
        return None if entry is None else codec_of(entry)


def _taking_its_own(implementation: pluggy.HookImpl) -> Callable[..., Any]:
    """Return a function that passes on only the arguments the implementation takes."""
    function, names = implementation.function, implementation.argnames

    def call(**arguments: object) -> object:
        return function(**{name: arguments[name] for name in names})

    return call


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
