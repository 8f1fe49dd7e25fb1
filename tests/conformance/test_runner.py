"""Running one scenario outside of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spa_core.errors import ParameterError
from spa_core.testing.runner import run_scenario
from spa_core.testing.scenario import scenario
from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from spa_core import SocketProvider
    from spa_core.testing.kit import Kit


class Suite(TransportSuite):
    """A suite with scenarios of its own."""

    __test__ = False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def make_provider(self) -> SocketProvider[MemoryConfig]:
        """Make a provider."""
        return MemorySocketProvider(MemoryConfig(name="runner"))

    @scenario("groups")
    async def test_own_holds(self, kit: Kit) -> None:
        """It holds."""
        self.seen.append(kit.unique("name"))

    @scenario(provisional=True)
    async def test_own_provisional(self, kit: Kit) -> None:
        """It is new."""
        assert kit.twins, "it fails"

    @scenario("replay")
    async def test_own_undeclared(self, kit: Kit) -> None:
        """It is not for a transport without replay."""
        self.seen.append(kit.unique("name"))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_scenario_is_run(backend: str) -> None:
    """A scenario that holds is run once, with fresh tools, and returns nothing to complain about."""
    suite = Suite()

    assert run_scenario(suite, "test_own_holds", backend=backend) is None
    assert len(suite.seen) == 1


def test_a_failure_is_raised() -> None:
    """What a scenario raises comes out, although the scenario is provisional."""
    with pytest.raises(AssertionError, match="it fails"):
        run_scenario(Suite(), "test_own_provisional")


def test_what_is_not_declared_is_not_run() -> None:
    """A scenario for something that is not declared is not run, and the reason returned."""
    suite = Suite()

    assert run_scenario(suite, "test_own_undeclared") == "MemoryConfig(name='runner') does not declare replay"
    assert suite.seen == []


@pytest.mark.parametrize("name", ["test_own_hold", "make_provider"])
def test_unknown_names_are_refused(name: str) -> None:
    """A name that is no scenario is refused, with the nearest one that is."""
    with pytest.raises(ParameterError, match="no scenario is called") as refusal:
        run_scenario(Suite(), name)

    assert refusal.value.parameter == "name"
    assert ("test_own_holds" in str(refusal.value)) == name.startswith("test")


def test_a_scenario_says_what_gates_it() -> None:
    """The docstring of a scenario is its claim, and names the capabilities and the hook that gate it."""
    assert Suite.test_own_undeclared.__doc__ == "It is not for a transport without replay.\n\nGated by: replay."
    assert Suite.test_own_provisional.__doc__ == "It is new.\n\nGated by: nothing."
    assert str(TransportSuite.test_requests_go_on_after_a_cut.__doc__).endswith(
        "\n\nGated by: reconnect, reply, hook cut_network."
    )
