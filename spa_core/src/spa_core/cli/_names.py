"""
What a new package is called, everywhere, by the one name that a user gives.

It knows how names are written, and which are taken here: by what is installed, and by SPA itself.
"""

from __future__ import annotations

import keyword
import re
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from spa_core._discovery.entries import CODECS, TRANSPORTS, distribution_name, installed_entry_points
from spa_core._discovery.schemes import KNOWN_TRANSPORTS
from spa_core.codecs import CodecRegistry
from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from spa_core._discovery.entries import EntryPoints

Kind: TypeAlias = Literal["transport", "codec", "app"]
"""What can be made."""

LONGEST: Final = 28  # characters; with longer ones the made modules would have lines beyond 120

# A plugin is called after what it serves. The prefix keeps its package apart from that of the client or library that
# it imports, which mostly has the bare name.
_PREFIX: Final = "spa-"
_FORM: Final = re.compile(r"[a-z][a-z0-9]*(?:[-._][a-z0-9]+)*")


class Names(NamedTuple):
    """
    The names of one new package.

    Attributes:
        name: A transport's URL scheme, a codec's media subtype, or the application's name.
        distribution: What pip installs.
        package: What Python imports.
        prefix: What the names of its classes begin with.
    """

    name: str
    distribution: str
    package: str
    prefix: str


def read_name(kind: Kind, text: str, *, entry_points: EntryPoints = installed_entry_points) -> Names:
    """
    Work out every name of what is to be made.

    Args:
        kind: What is to be made.
        text: The name that was given; a plugin's with or without its prefix ``spa-``.
        entry_points: Where installed plugins are found.

    Raises:
        ConfigurationError: It is no name, or one that is taken.

    Example:
        >>> read_name("transport", "acme-bus")
        Names(name='acme-bus', distribution='spa-acme-bus', package='spa_acme_bus', prefix='AcmeBus')
    """
    if not _FORM.fullmatch(text) or len(text) > LONGEST:
        raise _no_name(text)
    name = text.replace("_", "-")
    if kind != "app":
        name = name.removeprefix(_PREFIX)
    distribution = name.replace(".", "-") if kind == "app" else f"{_PREFIX}{name}".replace(".", "-")
    prefix = "".join(map(str.capitalize, re.split("[-.]", name)))
    names = Names(name, distribution, distribution.replace("-", "_"), prefix)
    owner = _server(kind, names.name, entry_points) or _owner(names)
    if owner is not None:
        raise ConfigurationError(f"the name {text!r} is taken: {owner}", hint="Choose another one")
    return names


def _no_name(text: str) -> ConfigurationError:
    likely = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^[^a-z]+", "", text.lower())).strip("-")[:LONGEST].strip("-")
    message = (
        f"{text!r} is no name for a package; a name is made of lower-case letters and digits, begins with a letter, "
        f"may have single '-', '_' and '.' inside, and has at most {LONGEST} characters"
    )
    return ConfigurationError(message, hint=f"Did you mean '{likely}'?" if likely else None)


def _server(kind: Kind, name: str, entry_points: EntryPoints) -> str | None:
    """Say who serves the URL scheme or the media subtype *name*, if anybody does."""
    if kind == "app":
        return None
    if kind == "transport" and name in KNOWN_TRANSPORTS:
        return f"{KNOWN_TRANSPORTS[name]} serves {name}://"
    if kind == "codec" and f"application/{name}" in CodecRegistry().content_types:
        return f"spa-core reads and writes application/{name} itself"
    group, what = (TRANSPORTS, f"{name}://") if kind == "transport" else (CODECS, f"application/{name}")
    serving = (entry for entry in entry_points(group) if entry.name == name)
    return next((f"{distribution_name(entry)}, which is installed, serves {what}" for entry in serving), None)


def _owner(names: Names) -> str | None:
    """Say what already has the name of the package, if anything has."""
    if names.distribution in KNOWN_TRANSPORTS.values():
        return f"{names.distribution} is a distribution of SPA's own"
    if keyword.iskeyword(names.package) or names.package in sys.stdlib_module_names:
        return f"{names.package} is a word or a module of Python itself"
    spec = find_spec(names.package)
    if spec is not None and spec.origin is not None:  # without an origin it is any folder on the path
        return f"the package {names.package} is installed"
    return None
