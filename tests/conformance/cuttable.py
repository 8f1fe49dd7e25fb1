"""
An in-memory transport with a network that can be cut, and variants of it that do not take that well.

What a real transport does by connecting again is done here by waiting: while the network is down nothing is published,
received or settled, and what was handed out before comes again.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from spa_core.errors import DisconnectedError
from spa_core.testing._faulty_subscription import FaultySubscription
from spa_core.testing.wrapping import WrappedProvider, WrappedSocket
from spa_core.transport import ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from types import TracebackType

    from spa_core import SocketProvider, SpaMessage
    from spa_core.transport import (
        Capabilities,
        ConnectionListener,
        Delivery,
        Subscription,
        SubscriptionSpec,
        TransportSocket,
    )

__all__ = ["BROKEN", "CuttableProvider", "Network"]


class Network:
    """What can be cut; it knows the sockets that are open over it."""

    def __init__(self) -> None:
        self.sockets: set[CuttableSocket] = set()
        self.is_up = True

    @asynccontextmanager
    async def cut(self) -> AsyncGenerator[None]:
        """Keep every socket from its broker."""
        self.is_up = False
        for socket in tuple(self.sockets):
            socket.lose()
        try:
            yield
        finally:
            self.is_up = True
            for socket in tuple(self.sockets):
                socket.restore()


class CuttableSocket(WrappedSocket):
    """A socket over the network."""

    def __init__(self, transport: TransportSocket, network: Network, on_connection: ConnectionListener) -> None:
        super().__init__(transport)
        self.network = network
        self.tell = on_connection
        self.subscriptions: set[FaultySubscription] = set()
        self.online = anyio.Event()

    async def __aenter__(self) -> Self:
        self.online.set()
        await self.transport.__aenter__()
        self.network.sockets.add(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self.network.sockets.discard(self)
        return await super().__aexit__(exc_type, exc, traceback)

    def lose(self) -> None:
        """Notice that the network is down."""
        self.online = anyio.Event()
        for subscription in tuple(self.subscriptions):
            subscription.lose_connection()
        self.tell(ConnectionEvent(state="disconnected", reason="the network was cut"))

    def restore(self) -> None:
        """Notice that the network is back."""
        self.online.set()
        self.tell(ConnectionEvent(state="connected"))

    async def until_online(self) -> None:
        """Wait for the network."""
        while not self.online.is_set():
            await self.online.wait()

    async def publish(self, message: SpaMessage) -> bool | None:
        """Publish when there is a network."""
        await self.until_online()
        return await super().publish(message)

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Subscription]:
        """Subscribe."""
        async with self.transport.subscribe(spec) as real:
            subscription = self.wrap(real)
            self.subscriptions.add(subscription)
            try:
                yield subscription
            finally:
                self.subscriptions.discard(subscription)

    def wrap(self, real: Subscription) -> FaultySubscription:
        """Make the subscription that is handed out."""
        return FaultySubscription(real, self.until_online)


class CuttableProvider(WrappedProvider):
    """A provider whose sockets survive a cut of their network."""

    Socket: ClassVar[type[CuttableSocket]] = CuttableSocket

    def __init__(self, wrapped: SocketProvider[Any], network: Network) -> None:
        super().__init__(wrapped)
        self.network = network

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped provider, and what the network adds; a restart of this broker forgets nothing."""
        return msgspec.structs.replace(self.wrapped.capabilities, reconnect=True, persistent=True)

    def open(self, on_connection: ConnectionListener) -> CuttableSocket:
        """Make a socket over the network."""
        return self.Socket(self.wrapped.open(on_connection), self.network, on_connection)


BROKEN: dict[type[CuttableProvider], Sequence[str]] = {}
"""Providers with one fault each, and the scenarios that are meant to catch it."""


def caught_by(*scenarios: str) -> Callable[[type[CuttableProvider]], type[CuttableProvider]]:
    """Register a broken provider."""

    def register(provider: type[CuttableProvider]) -> type[CuttableProvider]:
        BROKEN[provider] = scenarios
        return provider

    return register


@caught_by(
    "test_a_subscription_goes_on_after_a_cut",
    "test_an_application_goes_on_after_a_cut",
    "test_requests_go_on_after_a_cut",
    "test_a_socket_goes_on_after_a_restart",
)
class EndsItsSubscriptions(CuttableProvider):
    """Whoever waits for a message is told that the connection was lost."""

    class Socket(CuttableSocket):
        def wrap(self, real: Subscription) -> FaultySubscription:
            class Ending(FaultySubscription):
                lost = False

                def lose_connection(self) -> None:
                    self.lost = True
                    super().lose_connection()

                async def receive_batch(self, max_messages: int) -> Sequence[Any]:
                    while not self.lost:
                        with anyio.move_on_after(0.01):
                            return await super().receive_batch(max_messages)
                    raise DisconnectedError("the connection was lost")

            return Ending(real, self.until_online)


@caught_by(
    "test_a_subscription_goes_on_after_a_cut",
    "test_an_application_goes_on_after_a_cut",
    "test_a_socket_goes_on_after_a_restart",
    "test_three_cuts_lose_nothing",
)
class GoesDeaf(CuttableProvider):
    """Subscriptions are not made again when the network is back."""

    class Socket(CuttableSocket):
        async def until_receiving(self) -> None:
            if self.deaf:
                await anyio.sleep_forever()

        deaf = False

        def lose(self) -> None:
            self.deaf = True
            super().lose()

        def wrap(self, real: Subscription) -> FaultySubscription:
            return FaultySubscription(real, self.until_receiving)


@caught_by(
    "test_nothing_is_accepted_while_nobody_can_have_it",
    "test_three_cuts_lose_nothing",
    "test_restarts_of_the_broker_lose_nothing",
)
class SwallowsPublishes(CuttableProvider):
    """What is published while the network is down is forgotten, and said to be accepted."""

    class Socket(CuttableSocket):
        async def publish(self, message: SpaMessage) -> bool | None:
            await checkpoint()
            return await super().publish(message) if self.online.is_set() else None


@caught_by("test_changes_of_the_connection_are_told_in_order")
class SaysNothing(CuttableProvider):
    """Nobody is told of a lost connection."""

    class Socket(CuttableSocket):
        def lose(self) -> None:
            self.tell, tell = lambda _: None, self.tell
            super().lose()
            self.tell = tell


@caught_by("test_changes_of_the_connection_are_told_in_order")
class SaysItTwice(CuttableProvider):
    """Each attempt to connect is told as another loss."""

    class Socket(CuttableSocket):
        def lose(self) -> None:
            super().lose()
            self.tell(ConnectionEvent(state="disconnected", reason="still down"))


@caught_by("test_changes_of_the_connection_are_told_in_order")
class GivesNoReason(CuttableProvider):
    """A loss is told without a reason."""

    class Socket(CuttableSocket):
        def lose(self) -> None:
            tell = self.tell
            self.tell = lambda event: tell(ConnectionEvent(state=event.state))
            super().lose()
            self.tell = tell


@caught_by("test_what_was_in_hand_is_settled_or_comes_again", "test_a_cut_frees_what_was_in_hand")
class LosesWhatIsInHand(CuttableProvider):
    """Deliveries of the old connection are void, and nobody gets them again."""

    class Socket(CuttableSocket):
        def lose(self) -> None:
            for subscription in self.subscriptions:
                subscription._handed_out.clear()
            super().lose()


@caught_by("test_closing_without_a_network")
class ClosesOnline(CuttableProvider):
    """A socket wants to say goodbye to its broker before it closes."""

    class Socket(CuttableSocket):
        async def __aexit__(
            self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
        ) -> bool | None:
            await self.until_online()
            return await super().__aexit__(exc_type, exc, traceback)


@caught_by("test_requests_go_on_after_a_cut")
class ForgetsReplies(CuttableProvider):
    """The reply subscription is not made again when the network is back."""

    class Socket(CuttableSocket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Subscription]:
            async with super().subscribe(spec) as subscription:
                yield _Mute(subscription, self) if spec.reply else subscription


class _Mute:
    """A subscription that drops everything once its socket has lost a connection."""

    def __init__(self, real: Subscription, socket: CuttableSocket) -> None:
        self.real = real
        self.first = socket.online
        self.socket = socket

    async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
        batch = await self.real.receive_batch(max_messages)
        while self.socket.online is not self.first:
            batch = await self.real.receive_batch(max_messages)
        return batch

    async def stop_fetching(self) -> None:
        await self.real.stop_fetching()
