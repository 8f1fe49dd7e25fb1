"""
Entry points, read lazily: their names come from metadata, and only what is asked for is imported.

``importlib.metadata`` is imported on first use, because it costs more than the rest of this package together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from spa_core.errors import PluginConflictError, PluginLoadError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

TRANSPORTS: Final = "spa_core.transports"
CODECS: Final = "spa_core.codecs"
PLUGINS: Final = "spa_core.plugins"


class EntryPoints(Protocol):
    """Where entry points come from; tests give their own."""

    def __call__(self, group: str) -> list[EntryPoint]:
        """Return the entry points of a group."""
        ...


def installed_entry_points(group: str) -> list[EntryPoint]:
    """Return the installed entry points of a group, read from metadata, nothing imported."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, see above

    return list(entry_points(group=group))


def distribution_name(entry: EntryPoint) -> str:
    """Return the name of the distribution that declares *entry*."""
    return entry.dist.name if entry.dist is not None else "an unknown distribution"


def sole_entry(entries: list[EntryPoint], *, kind: str, name: str) -> EntryPoint | None:
    """
    Return the one entry called *name*, or ``None``.

    Raises:
        PluginConflictError: Several distributions claim the name.
    """
    claims = {(distribution_name(entry), entry.value): entry for entry in entries if entry.name == name}
    if len(claims) > 1:
        owners = sorted({owner for owner, _ in claims})
        raise PluginConflictError(
            f"the {kind} {name!r} is claimed by {' and '.join(owners)}",
            plugin=name,
            distributions=owners,
            hint="Uninstall one of them",
        )
    return next(iter(claims.values()), None)


def load(entry: EntryPoint, *, kind: str) -> object:
    """
    Import what *entry* names.

    Raises:
        PluginLoadError: The import failed, for whatever reason; the cause is chained.
    """
    try:
        loaded: object = entry.load()
    except Exception as error:
        owner = distribution_name(entry)
        raise PluginLoadError(
            f"the {kind} {entry.name!r} of {owner} cannot be loaded: {type(error).__name__}: {error}",
            plugin=entry.name,
            distribution=owner,
            hint=f"Reinstall or uninstall it: pip install --force-reinstall {owner}",
        ) from error
    return loaded
