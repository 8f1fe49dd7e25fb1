"""
A transport without a broker: it hands out messages that were prepared before, so that all time spent is core's own.

It keeps the contract to the letter, checkpoint included, and does nothing else; what is above it is what users run.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import anyio
from anyio.lowlevel import checkpoint

from spa_core import SocketProvider, TransportConfig
from spa_core.errors import EndOfSubscription
from spa_core.transport import Capabilities, SettleOnce

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

    from spa_core import SpaMessage
    from spa_core.transport import ConnectionListener, Outcome, SubscriptionSpec


class ScriptedConfig(TransportConfig, frozen=True):
    """Nothing to configure."""


class Scripted(SettleOnce):
    """A delivery that is settled without a broker."""

    __slots__ = ()

    async def apply(self, outcome: Outcome) -> bool:  # noqa: ARG002 - nobody is told
        """Accept it."""
        return True


class ScriptedProvider(SocketProvider[ScriptedConfig]):
    """
    Sockets with one subscription that hands out *deliveries*, then ends.

    Args:
        deliveries: What is handed out.
        on_first: Called when the first batch is asked for.
        on_last: Called when there is nothing left; it has to stop the application.
    """

    def __init__(
        self, deliveries: Sequence[Scripted], *, on_first: Callable[[], None], on_last: Callable[[], None]
    ) -> None:
        super().__init__(ScriptedConfig())
        self.deliveries = deliveries
        self.on_first = on_first
        self.on_last = on_last

    @property
    def capabilities(self) -> Capabilities:
        """What the benchmark needs."""
        return Capabilities(
            headers=True, key=True, fanout=True, wildcards="mqtt", ack="individual", unicode_topics=True
        )

    def open(self, on_connection: ConnectionListener) -> ScriptedSocket:  # noqa: ARG002 - it never changes
        """Make the socket."""
        return ScriptedSocket(self)


class ScriptedSocket:
    """The socket; see :class:`~spa_core.transport.TransportSocket`."""

    def __init__(self, script: ScriptedProvider) -> None:
        self._script = script

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is open."""

    async def publish(self, message: SpaMessage) -> None:
        """Accept a message for nobody."""

    async def check(self) -> None:
        """Answer."""

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncIterator[ScriptedSubscription]:  # noqa: ARG002 - there is one
        """Subscribe."""
        yield ScriptedSubscription(self._script)


class ScriptedSubscription:
    """The subscription; see :class:`~spa_core.transport.Subscription`."""

    def __init__(self, script: ScriptedProvider) -> None:
        self._script = script
        self._handed_out = 0
        self._stopped = anyio.Event()

    async def receive_batch(self, max_messages: int) -> Sequence[Scripted]:
        """Hand out the next messages."""
        if not self._handed_out:
            self._script.on_first()
        await checkpoint()
        start = self._handed_out
        batch = self._script.deliveries[start : start + max_messages]
        if not batch:
            self._script.on_last()
            await self._stopped.wait()
            raise EndOfSubscription
        self._handed_out += len(batch)
        return batch

    async def stop_fetching(self) -> None:
        """Hand out nothing more."""
        self._stopped.set()
