"""Which connections are encrypted; what with is told by core, which reads the files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from spa_core import tls
from spa_mqtt.address import TLS_SCHEMES

if TYPE_CHECKING:
    import ssl

    from spa_mqtt.config import MqttConfig

__all__ = ["tls_context"]


async def tls_context(config: MqttConfig) -> ssl.SSLContext | None:
    """
    Return what a connection is encrypted with, or ``None`` where it is not; reads the files that *config* names.

    Raises:
        ParameterError: A file is not there, cannot be read, or holds something else; its cause is chained.
    """
    # In a thread: to load a system's authorities takes as long as handling thousands of messages.
    return await asyncio.to_thread(tls.tls_context, config) if config.scheme in TLS_SCHEMES else None
