"""The in-memory transport under the conformance suite, on asyncio and on trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from spa_core import SocketProvider


class TestMemory(TransportSuite):
    """The guarantees of ``memory://``."""

    url = "memory://conformance"

    def make_provider(self) -> SocketProvider[MemoryConfig]:
        """Make a provider whose broker the scenarios share one after the other."""
        return MemorySocketProvider(MemoryConfig(name="conformance", max_payload=2**20))

    def make_bounded_provider(self, limit: int) -> SocketProvider[MemoryConfig]:
        """Make a provider whose queues hold *limit* messages."""
        return MemorySocketProvider(MemoryConfig(name="conformance", queue_size=limit))
