"""
SPA's in-memory transport: ``memory://name`` names a broker that all sockets of the process share.

A real transport under the contract of :mod:`spa_core.transport`, for tests and for production inside one process.
"""

from __future__ import annotations

from spa_inmemory.config import MemoryConfig
from spa_inmemory.transport import MemorySocket, MemorySocketProvider

__all__ = ["MemoryConfig", "MemorySocket", "MemorySocketProvider"]
