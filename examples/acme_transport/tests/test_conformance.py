"""The transport under the conformance suite, on asyncio and on trio, over a network that can be cut."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from acme_transport.config import AcmeConfig
from acme_transport.transport import AcmeSocketProvider
from spa_core.testing import FaultProxy, TransportSuite

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


class TestAcme(TransportSuite):
    """The guarantees of ``acme://``."""

    url = "acme://127.0.0.1:7171"
    subject = "acme://"  # its port is another one in each scenario

    @pytest.fixture(autouse=True)
    async def network(self, broker_port: int) -> AsyncIterator[None]:
        """Put a proxy before the broker, on the scenario's own event loop."""
        async with FaultProxy("127.0.0.1", broker_port) as self.proxy:
            yield

    def make_provider(self) -> AcmeSocketProvider:
        """Make a provider that goes through the proxy."""
        return AcmeSocketProvider(AcmeConfig(port=self.proxy.port, reconnect_delay=0.01))

    def make_unreachable_provider(self) -> AcmeSocketProvider:
        """Make a provider for a port where nothing listens."""
        return AcmeSocketProvider(AcmeConfig(port=1, timeout=0.5))

    @asynccontextmanager
    async def cut_network(self) -> AsyncGenerator[None]:
        """Cut all connections and refuse new ones."""
        await self.proxy.refuse()
        await self.proxy.cut()
        try:
            yield
        finally:
            self.proxy.accept()
