"""What to say about a URL scheme that nobody serves: what is installed, what was meant, what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core._suggest import nearest
from spa_core.errors import UnknownSchemeError

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN_TRANSPORTS: Final = {
    "kafka": "spa-kafka",
    "kafka+ssl": "spa-kafka",
    "memory": "spa-inmemory",
    "mqtt": "spa-mqtt",
    "mqtt+unix": "spa-mqtt",
    "mqtt+ws": "spa-mqtt",
    "mqtt+wss": "spa-mqtt",
    "mqtts": "spa-mqtt",
    "ws": "spa-mqtt",
    "wss": "spa-mqtt",
}
"""Which distribution of ours serves a scheme, so that the error for a missing one can name the pip line."""


def unknown_scheme(scheme: str, installed: Sequence[str]) -> UnknownSchemeError:
    """Return the error for a scheme that is not among the installed ones."""
    meant = scheme if scheme in KNOWN_TRANSPORTS else nearest(scheme, sorted({*installed, *KNOWN_TRANSPORTS}))
    hints = [f"Did you mean '{meant}'?"] if meant and meant != scheme else []
    if meant and meant not in installed:
        hints.append(f"Try: pip install {KNOWN_TRANSPORTS[meant]}")
    return UnknownSchemeError(
        f"no installed transport serves the URL scheme {scheme!r}; installed are: {', '.join(installed) or 'none'}",
        scheme=scheme,
        installed=installed,
        hint=" ".join(hints) or None,
    )
