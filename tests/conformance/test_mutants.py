"""The conformance suite can fail: transports with one fault each are caught by the scenario meant to catch it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from mutants import MUTANTS, Mutant

from spa_core.testing._performance import is_failure
from spa_core.testing.runner import run_scenario
from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from spa_core import SocketProvider

_numbers = itertools.count()

CAUGHT_BY = sorted({mutant.scenario for mutant in MUTANTS})


class Suite(TransportSuite):
    """The suite, for any provider on a broker of this test."""

    __test__ = False

    def __init__(self, provider: type[MemorySocketProvider]) -> None:
        self.provider = provider

    def make_provider(self) -> SocketProvider[MemoryConfig]:
        """Make the provider, on a broker that no mutant before it has left open."""
        return self.provider(MemoryConfig(name=f"mutants-{next(_numbers)}", max_payload=70_000))

    def make_bounded_provider(self, limit: int) -> SocketProvider[MemoryConfig]:
        """Make the provider with a bound."""
        return self.provider(MemoryConfig(name=f"mutants-{next(_numbers)}", queue_size=limit))


class HastySuite(Suite):
    """A suite that gives up soon."""

    timeout_multiplier = 0.01


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of an event loop."""
    name: str = request.param
    return name


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_mutant_is_caught(mutant: type[Mutant], backend: str) -> None:
    """The scenario that is meant to catch a fault fails."""
    with pytest.raises(BaseException) as failure:  # noqa: PT011 - assertions, errors of transports and time-outs
        run_scenario(HastySuite(mutant), mutant.scenario, backend=backend)

    assert is_failure(failure.value)


@pytest.mark.parametrize("scenario", CAUGHT_BY)
def test_the_sound_transport_is_not(scenario: str, backend: str) -> None:
    """The same scenario holds, or is skipped, without the fault."""
    run_scenario(Suite(MemorySocketProvider), scenario, backend=backend)


def test_there_are_many_mutants() -> None:
    """Every mutant has a name and a fault of its own, and there are at least twenty."""
    faults = {mutant.__doc__ for mutant in MUTANTS}

    assert len(faults) == len({mutant.__name__ for mutant in MUTANTS}) == len(MUTANTS) >= 20
