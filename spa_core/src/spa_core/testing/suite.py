"""
The conformance suite: subclass it, say how to make a provider, and pytest proves what the transport declares.

Declared is enforced; undeclared is skipped, with the reason; undeclared but working is a failure ("declare it").
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from spa_core.testing._session import prepared
from spa_core.testing.hooks import Hooks, is_given
from spa_core.testing.kit import Kit
from spa_core.testing.scenario import Scenario, missing_capability, scenario_of
from spa_core.testing.scenarios.backpressure import Backpressure
from spa_core.testing.scenarios.cancellation import Cancellation
from spa_core.testing.scenarios.content import Content
from spa_core.testing.scenarios.dead_letters import DeadLetters
from spa_core.testing.scenarios.errors import Errors
from spa_core.testing.scenarios.expiry import Expiry
from spa_core.testing.scenarios.groups import Groups
from spa_core.testing.scenarios.headers import Headers
from spa_core.testing.scenarios.honesty import Honesty
from spa_core.testing.scenarios.leaks import Leaks
from spa_core.testing.scenarios.lifecycle import Lifecycle
from spa_core.testing.scenarios.logs import Logs
from spa_core.testing.scenarios.ordering import Ordering
from spa_core.testing.scenarios.publishing import Publishing
from spa_core.testing.scenarios.reconnect import Reconnect
from spa_core.testing.scenarios.redelivery import Redelivery
from spa_core.testing.scenarios.registry import Registry
from spa_core.testing.scenarios.requests import Requests
from spa_core.testing.scenarios.retained import Retained
from spa_core.testing.scenarios.settlement import Settlement
from spa_core.testing.scenarios.shutdown import Shutdown
from spa_core.testing.scenarios.subscribing import Subscribing
from spa_core.testing.scenarios.wildcards import Wildcards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spa_core import SocketProvider

__all__ = ["TransportSuite"]


class TransportSuite(
    Reconnect,
    Honesty,
    Registry,
    Logs,
    Errors,
    Leaks,
    Shutdown,
    Cancellation,
    Backpressure,
    Lifecycle,
    Publishing,
    Expiry,
    Subscribing,
    Retained,
    Wildcards,
    Ordering,
    Groups,
    Settlement,
    Redelivery,
    DeadLetters,
    Headers,
    Content,
    Requests,
    Hooks,
):
    """
    Every guarantee of the transport contract, one test each.

    Example:
        ::

            class TestAcme(TransportSuite):
                def make_provider(self) -> SocketProvider:
                    return AcmeSocketProvider(AcmeConfig(port=7000))

    Attributes:
        subject: What reports call the transport; ``None`` is the provider's description, which for a broker on a
            random port is another one in each run.
        seed: Seeds what is random in scenarios.
        timeout_multiplier: For slow brokers and machines.
    """

    subject: ClassVar[str | None] = None
    seed: ClassVar[int] = 0
    timeout_multiplier: ClassVar[float] = 1.0
    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.anyio]

    @abstractmethod
    def make_provider(self) -> SocketProvider[Any]:
        """Make a provider for a broker that is running; called once for each scenario."""

    @classmethod
    def scenarios(cls) -> Iterator[Scenario]:
        """Return every scenario of the suite, by name."""
        for name in sorted(dir(cls)):
            found = scenario_of(getattr(cls, name))
            if found is not None:
                yield found

    def make_kit(self, *, seed: int | None = None, timeout_multiplier: float = 1.0) -> Kit:
        """
        Make the tools of one scenario.

        Args:
            seed: Instead of the suite's.
            timeout_multiplier: On top of the suite's.
        """
        return Kit(
            self.make_provider(),
            seed=self.seed if seed is None else seed,
            timeout_multiplier=self.timeout_multiplier * timeout_multiplier,
            create_topic=self.create_topic if is_given(self, "create_topic") else None,
        )

    def reason_to_skip(self, scenario: Scenario, kit: Kit) -> str | None:
        """Return why a scenario is not for this transport: what it does not declare, or the hook that is not given."""
        need = missing_capability(kit.capabilities, scenario.needs)
        if need is not None:
            return f"{kit.provider.describe()} does not declare {need}"
        if scenario.hook is not None and not is_given(self, scenario.hook):
            return f"the suite does not give {scenario.hook}"
        return None

    @pytest.fixture
    def kit(self, request: pytest.FixtureRequest) -> Kit:
        """The tools of the scenario that runs now; skips it if the transport does not declare what it needs."""
        return prepared(self, request)
