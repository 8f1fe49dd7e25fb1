"""The scenarios about lost connections hold for a transport whose network is cut, and catch those that get it wrong."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from anyio.lowlevel import checkpoint
from cuttable import BROKEN, CuttableProvider, CuttableSocket, Network

from spa_core.errors import DisconnectedError
from spa_core.testing._performance import is_failure
from spa_core.testing.runner import run_scenario
from spa_core.testing.scenario import scenario_of
from spa_core.testing.scenarios.reconnect import Reconnect
from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from spa_core import SocketProvider, SpaMessage

_numbers = itertools.count()

SCENARIOS = sorted(name for name in dir(Reconnect) if scenario_of(getattr(Reconnect, name)) is not None)
FAULTS = [(broken, scenario) for broken, scenarios in BROKEN.items() for scenario in scenarios]


class Suite(TransportSuite):
    """The suite, for any provider over a network of this test."""

    __test__ = False

    def __init__(self, provider: type[CuttableProvider]) -> None:
        self.provider = provider
        self.network = Network()

    def make_provider(self) -> SocketProvider[Any]:
        """Make the provider, on a broker of its own."""
        return self.provider(MemorySocketProvider(MemoryConfig(name=f"cut-{next(_numbers)}")), self.network)

    def cut_network(self) -> AbstractAsyncContextManager[None]:
        """Cut the network."""
        return self.network.cut()

    async def restart_broker(self) -> None:
        """Restart the broker, which nobody notices but by the lost connections."""
        async with self.network.cut():
            for _ in range(20):
                await checkpoint()


class HastySuite(Suite):
    """A suite that gives up soon."""

    timeout_multiplier = 0.02


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of an event loop."""
    name: str = request.param
    return name


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_transport_that_reconnects(scenario: str, backend: str) -> None:
    """A transport that survives cuts passes, and nothing is skipped."""
    assert run_scenario(Suite(CuttableProvider), scenario, backend=backend) is None


class Unconfirmed(CuttableProvider):
    """A publish that a cut surprises before it is confirmed raises, although the message has arrived."""

    class Socket(CuttableSocket):
        """A socket whose confirmations take their time."""

        async def publish(self, message: SpaMessage) -> bool | None:
            """Publish, and wait for the confirmation."""
            heard = await super().publish(message)
            for _ in range(15):  # as long as a confirmation takes; some turns less than the kit's cut
                await checkpoint()
                if not self.online.is_set():
                    raise DisconnectedError("not confirmed")
            return heard


def test_a_cut_may_surprise_the_kits_own_responder(backend: str) -> None:
    """That an answer is not confirmed fails nobody: neither the responder, nor the transport."""
    assert run_scenario(Suite(Unconfirmed), "test_requests_go_on_after_a_cut", backend=backend) is None


@pytest.mark.parametrize(("broken", "scenario"), FAULTS)
def test_a_transport_that_does_not(broken: type[CuttableProvider], scenario: str, backend: str) -> None:
    """The scenario that is meant to catch a fault fails."""
    with pytest.raises(BaseException) as failure:  # noqa: PT011 - assertions, errors of transports and time-outs
        run_scenario(HastySuite(broken), scenario, backend=backend)

    assert is_failure(failure.value)


def test_every_scenario_is_caught_failing() -> None:
    """There is a fault for each scenario."""
    assert {scenario for _, scenario in FAULTS} == set(SCENARIOS)
