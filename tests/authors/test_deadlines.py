"""A transport that sets a deadline for connecting, as every author is asked to, is not taken for one that leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spa_core.testing.runner import run_scenario
from spa_core.testing.suite import TransportSuite
from spa_core.testing.wrapping import WrappedProvider, WrappedSocket
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from spa_core import SocketProvider
    from spa_core.transport import ConnectionListener


class PatientSocket(WrappedSocket):
    """Opens within a deadline that is never reached."""

    async def __aenter__(self) -> Self:
        with anyio.fail_after(60):
            await checkpoint()
            await self.transport.__aenter__()
        return self


class PatientProvider(WrappedProvider):
    """Makes them."""

    def open(self, on_connection: ConnectionListener) -> PatientSocket:
        """Make one."""
        return PatientSocket(self.wrapped.open(on_connection))


class Suite(TransportSuite):
    """The suite, for them."""

    __test__ = False

    def make_provider(self) -> SocketProvider[Any]:
        """Make the provider."""
        return PatientProvider(MemorySocketProvider(MemoryConfig(name="patient")))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_deadlines_that_were_not_reached_are_no_leak(backend: str) -> None:
    """Event loops keep them for a while; the kit does not count them as objects that grow."""
    assert run_scenario(Suite(), "test_five_hundred_sockets_grow_nothing", backend=backend) is None
