"""Scenarios about a secret, an empty place or a refusal hold for sound transports and catch those that are not."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from told import (
    INDISCREET,
    LEFT_OPEN,
    LENIENT,
    MISLEADING,
    UNTIDY,
    Discreet,
    Nowhere,
    Refusing,
    TokenConfig,
)

from spa_core.testing._performance import is_failure
from spa_core.testing.runner import run_scenario
from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spa_core import SocketProvider

SECRETS = "test_secrets_are_never_shown"
UNREACHABLE = ("test_a_broker_that_is_not_there", "test_a_broker_that_is_not_there_under_core")
REFUSED = "test_refused_credentials"

_numbers = itertools.count()

FAULTS: Sequence[tuple[type[SocketProvider[Any]], str]] = [
    *((broken, SECRETS) for broken in INDISCREET),
    *((broken, UNREACHABLE[0]) for broken in UNTIDY),
    *((broken, name) for broken in MISLEADING for name in UNREACHABLE),
    *((broken, REFUSED) for broken in LENIENT),
]


class Suite(TransportSuite):
    """The suite with every hook that these scenarios need."""

    __test__ = False
    timeout_multiplier = 0.1

    def __init__(self, provider: type[SocketProvider[Any]]) -> None:
        self.provider = provider

    def make_provider(self) -> SocketProvider[Any]:
        """Make the provider if it has a secret, else one that works."""
        kind = self.provider if issubclass(self.provider, Discreet) else Discreet
        return kind(TokenConfig(name=f"hooks-{next(_numbers)}"))

    def make_unreachable_provider(self) -> SocketProvider[Any]:
        """Make the provider if it is for a place where nobody is."""
        kind = self.provider if issubclass(self.provider, Nowhere) else Nowhere
        return kind(MemorySocketProvider(MemoryConfig(name=f"hooks-{next(_numbers)}")))

    def make_refused_provider(self) -> SocketProvider[Any]:
        """Make the provider if it is refused."""
        kind = self.provider if issubclass(self.provider, Refusing) else Refusing
        return kind(MemorySocketProvider(MemoryConfig(name=f"hooks-{next(_numbers)}")))


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of an event loop."""
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def closed_afterwards() -> Iterator[None]:
    """Close what a broken transport has left open."""
    yield
    while LEFT_OPEN:
        LEFT_OPEN.pop().close()


@pytest.mark.parametrize("scenario", [SECRETS, *UNREACHABLE, REFUSED])
def test_a_sound_transport(scenario: str, backend: str) -> None:
    """A transport that keeps its secret and says that nobody is there passes, and nothing is skipped."""
    assert run_scenario(Suite(Discreet), scenario, backend=backend) is None


@pytest.mark.parametrize(("broken", "scenario"), FAULTS)
def test_a_broken_transport(broken: type[SocketProvider[Any]], scenario: str, backend: str) -> None:
    """The scenario that is meant to catch a fault fails."""
    with pytest.raises(BaseException) as failure:  # noqa: PT011 - assertions, errors of drivers and time-outs
        run_scenario(Suite(broken), scenario, backend=backend)

    assert is_failure(failure.value)
