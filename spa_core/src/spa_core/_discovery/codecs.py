"""From the entry point of a codec plugin to the codec; whatever goes wrong on the way is one kind of error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core._discovery.entries import distribution_name, load
from spa_core._discovery.registration import new_manager, register
from spa_core._failures import described
from spa_core.errors import PluginConflictError, PluginLoadError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from spa_core.codecs import Codec


def codec_of(entry: EntryPoint) -> Codec | None:
    """
    Return the codec that *entry* brings for the media subtype it is named after, ``None`` if it brings another.

    Raises:
        PluginLoadError: The plugin cannot be imported, registered or asked; the cause is chained.
        PluginConflictError: It offers one content type twice.
    """
    plugin = load(entry, kind="codec")
    owner = distribution_name(entry)
    try:
        serving = _serving(plugin, entry.name)
    except Exception as error:
        text = f"the codec {entry.name!r} of {owner} cannot be used: {described(error)}"
        raise PluginLoadError(text, plugin=entry.name, distribution=owner) from error
    claims = [content_type for _, content_types in serving for content_type in content_types]
    twice = next((content_type for content_type in claims if claims.count(content_type) > 1), None)
    if twice is not None:
        raise PluginConflictError(f"{owner} offers {twice} twice", plugin=entry.name, distributions=[owner])
    preferred = (codec for codec, content_types in serving if f"application/{entry.name}" in content_types)
    return next(preferred, serving[0][0] if serving else None)


def _serving(plugin: object, subtype: str) -> list[tuple[Codec, list[str]]]:
    """Return the codecs a plugin offers for a media subtype, each with its content types of that subtype."""
    manager = new_manager()
    register(manager, plugin, name=subtype)
    offered: list[Codec] = [codec for found in manager.hook.spa_codecs() for codec in found]
    of_subtype = [(codec, [each for each in codec.content_types if _subtype(each) == subtype]) for codec in offered]
    return [(codec, content_types) for codec, content_types in of_subtype if content_types]


def _subtype(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower().partition("/")[2]
