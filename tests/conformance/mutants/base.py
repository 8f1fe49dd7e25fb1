"""
What mutants are made of: the in-memory transport, with a socket, subscriptions and deliveries that a mutant replaces.

As it is here, nothing is broken; a mutant overrides one method of one of the three.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from spa_inmemory import MemoryConfig, MemorySocket, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from spa_core import SpaMessage
    from spa_core.transport import ConnectionListener, Outcome, SubscriptionSpec
    from spa_core.transport import Delivery as RealDelivery
    from spa_core.transport import Subscription as RealSubscription

__all__ = ["Delivery", "Mutant", "Socket", "Subscription", "caught_by"]


class Delivery:
    """A delivery that does what the real one does."""

    def __init__(self, real: RealDelivery, subscription: Subscription) -> None:
        self.real = real
        self.subscription: Any = subscription  # with what a mutant adds to it

    @property
    def message(self) -> SpaMessage:
        """The message."""
        return self.real.message

    @property
    def attempt(self) -> int | None:
        """The attempt."""
        return self.real.attempt

    @property
    def redelivered(self) -> bool | None:
        """Whether it was delivered before."""
        return self.real.redelivered

    @property
    def native(self) -> Any:
        """The member it was handed to, which the broker asks for."""
        return self.real.native

    async def settle(self, outcome: Outcome) -> bool:
        """Settle."""
        return await self.real.settle(outcome)


class Subscription:
    """A subscription that does what the real one does."""

    def __init__(self, real: RealSubscription, spec: SubscriptionSpec, socket: Socket) -> None:
        self.real = real
        self.spec = spec
        self.socket: Any = socket  # with what a mutant adds to it
        self.prepare()

    def prepare(self) -> None:
        """Do what has to be done once."""

    async def receive_batch(self, max_messages: int) -> Sequence[RealDelivery]:
        """Receive."""
        delivery = self.socket.mutant.Delivery
        return [delivery(real, self) for real in await self.real.receive_batch(max_messages)]

    async def stop_fetching(self) -> None:
        """Drain."""
        await self.real.stop_fetching()


class Socket(MemorySocket):
    """A socket that does what the real one does."""

    def __init__(self, mutant: Mutant, on_connection: ConnectionListener) -> None:
        super().__init__(mutant.config, on_connection)
        self.mutant: Any = mutant  # with what a mutant adds to it

    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        """Publish one by one, so that a mutant has one method to break."""
        for message in messages:
            await self.publish(message)

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
        """Subscribe."""
        async with super().subscribe(spec) as real:
            yield self.mutant.Subscription(real, spec, self)


class Mutant(MemorySocketProvider):
    """
    A provider of broken sockets.

    Attributes:
        scenario: The scenario that is meant to catch it.
    """

    scenario: ClassVar[str]
    Socket: ClassVar[type[Socket]] = Socket
    Subscription: ClassVar[type[Subscription]] = Subscription
    Delivery: ClassVar[type[Delivery]] = Delivery

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        self.prepare()

    def prepare(self) -> None:
        """Do what has to be done once."""

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        """Make a broken socket."""
        return self.Socket(self, on_connection)


MUTANTS: list[type[Mutant]] = []


def caught_by(scenario: str) -> Callable[[type[Mutant]], type[Mutant]]:
    """List a mutant, with the scenario that is meant to catch it."""

    def list_it(mutant: type[Mutant]) -> type[Mutant]:
        mutant.scenario = scenario
        MUTANTS.append(mutant)
        return mutant

    return list_it
