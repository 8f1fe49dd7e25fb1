"""What a transport declares is held against what it does, both ways: too little is a failure, and so is too much."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from modest import ModestProvider

from spa_core.testing._performance import is_failure
from spa_core.testing.probes import PROBES
from spa_core.testing.runner import run_scenario
from spa_core.testing.stand_ins import StandIn
from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from spa_core import SocketProvider
    from spa_core.transport import Capabilities

_numbers = itertools.count()

ALL = MemorySocketProvider(MemoryConfig()).capabilities
NONE = {"wildcards": "none", "retry": "none"}  # of the others False
SCENARIOS = {
    "attempts": "test_attempts_are_declared_as_they_are",
    "auto_create": "test_making_topics_is_declared_as_it_is",
    "batch_publish": "test_batches_are_declared_as_they_are",
    "durable": "test_durability_is_declared_as_it_is",
    "fanout": "test_fanout_is_declared_as_it_is",
    "groups": "test_groups_are_declared_as_they_are",
    "headers": "test_fields_are_declared_as_they_are",
    "key": "test_fields_are_declared_as_they_are",
    "no_responders": "test_no_responders_is_declared_as_it_is",
    "reply": "test_replies_are_declared_as_they_are",
    "restartable": "test_restarts_are_declared_as_they_are",
    "retain": "test_retain_is_declared_as_it_is",
    "retry": "test_retry_is_declared_as_it_is",
    "retry_delay": "test_delayed_retry_is_declared_as_it_is",
    "timestamp": "test_fields_are_declared_as_they_are",
    "ttl": "test_ttl_is_declared_as_it_is",
    "unicode_topics": "test_unicode_topics_are_declared_as_they_are",
    "wildcards": "test_wildcards_are_declared_as_they_are",
}
"""What the in-memory transport declares that can be tried, and the scenario that does."""

OUTLASTING = {
    "persistent": "test_persistence_is_declared_as_it_is",
    "replay": "test_replay_is_declared_as_it_is",
}
"""What it does not declare."""


class Suite(TransportSuite):
    """The suite for one provider."""

    __test__ = False
    timeout_multiplier = 0.02

    def __init__(self, provider: SocketProvider[Any]) -> None:
        self.provider = provider

    def make_provider(self) -> SocketProvider[Any]:
        """Return the provider."""
        return self.provider


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of an event loop."""
    name: str = request.param
    return name


def without(capability: str) -> Capabilities:
    """Return what the in-memory transport declares, but for one capability."""
    absent: Any = NONE.get(capability, False)
    return msgspec.structs.replace(ALL, **{capability: absent})


def assert_fails(provider: SocketProvider[Any], scenario: str, backend: str) -> None:
    """Fail unless the scenario does."""
    with pytest.raises(BaseException) as failure:  # noqa: PT011 - assertions and errors of transports
        run_scenario(Suite(provider), scenario, backend=backend)

    assert is_failure(failure.value)


@pytest.mark.parametrize("capability", SCENARIOS)
def test_too_little_is_declared(capability: str, backend: str) -> None:
    """What works and is not declared is a failure that says so."""
    memory = MemorySocketProvider(MemoryConfig(name=f"honest-{next(_numbers)}"))
    suite = Suite(StandIn(memory, without(capability)))

    with pytest.raises(AssertionError, match=f"{capability}.* works and is not declared: declare it"):
        run_scenario(suite, SCENARIOS[capability], backend=backend)


# Three cannot be taken from the in-memory transport: its groups stay, it opens again, and stand-ins publish in batches.
@pytest.mark.parametrize("capability", sorted(SCENARIOS.keys() - {"batch_publish", "durable", "restartable"}))
def test_too_much_is_declared(capability: str, backend: str) -> None:
    """What is declared and does not work is a failure."""
    modest = ModestProvider(f"honest-{next(_numbers)}", without(capability))
    assert_fails(StandIn(modest, ALL), SCENARIOS[capability], backend)


@pytest.mark.parametrize("capability", OUTLASTING)
def test_messages_are_declared_to_outlast(capability: str, backend: str) -> None:
    """A transport in memory that declares old messages to be kept fails."""
    memory = MemorySocketProvider(MemoryConfig(name=f"honest-{next(_numbers)}"))
    declared = StandIn(memory, msgspec.structs.replace(ALL, **{capability: True}))
    assert_fails(declared, OUTLASTING[capability], backend)


@pytest.mark.parametrize("scenario", sorted({*SCENARIOS.values(), *OUTLASTING.values()}))
def test_the_truth_is_declared(scenario: str, backend: str) -> None:
    """The same scenarios hold for the in-memory transport as it is."""
    memory = MemorySocketProvider(MemoryConfig(name=f"honest-{next(_numbers)}"))
    assert run_scenario(Suite(memory), scenario, backend=backend) is None


def test_every_probe_is_tried() -> None:
    """Each capability that can be tried is."""
    assert {probe.partition(">=")[0] for probe in PROBES} == {*SCENARIOS, *OUTLASTING}
