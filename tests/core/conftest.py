"""
A scripted transport for the floors above the contract: it does what a test says, refuses what it says, and remembers.

It has no clock, no bound and no mercy. What it proves is core's side of the contract, not its own.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spa_core import SocketProvider, SpaMessage, TransportConfig
from spa_core.errors import EndOfSubscription
from spa_core.topics import matches
from spa_core.transport import Capabilities, ConnectionEvent, Retry, SettleOnce, SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from types import TracebackType

    from spa_core.transport import ConnectionListener, Outcome

    Eventually = Callable[[Callable[[], object]], Awaitable[None]]
    Quiet = Callable[[], Awaitable[None]]

EVERYTHING = Capabilities(
    headers=True,
    key=True,
    ttl=True,
    retain=True,
    timestamp=True,
    unicode_topics=True,
    confirms="broker",
    auto_create=True,
    wildcards="mqtt",
    groups=True,
    fanout=True,
    ordering="key",
    ack="individual",
    retry="native",
    attempts=True,
    reply=True,
)
SOON = 100  # turns of the event loop: more than any chain of tasks here needs to wake each other
PATIENCE = 60.0  # seconds until a test that waits for what never happens fails


class Broker:
    """
    What all sockets of one test share.

    Attributes:
        calls: What was asked of the transport, in order, such as ``"connect"``.
        published: What was accepted.
        settled: What was settled, and how.
        given_back: What was handed out and not settled when its subscription was left.
        subscriptions: The live subscriptions.
        listener: What the last socket tells of its connection.
        refuse: Returns what a call fails with, if it is to fail; it gets the call and, with ``publish``, the message.
        before: Awaited at the beginning of a call.
        somebody_listens: What ``publish`` returns, or ``...`` for the truth.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.published: list[SpaMessage] = []
        self.settled: list[tuple[SpaMessage, Outcome]] = []
        self.given_back: list[SpaMessage] = []
        self.subscriptions: list[ScriptedSubscription] = []
        self.listener: ConnectionListener | None = None
        self.refuse: Callable[[str, SpaMessage | None], Exception | None] = lambda _call, _message: None
        self.before: dict[str, Callable[[], Any]] = {}
        self.somebody_listens: Any = None

    def provider(
        self, *, capabilities: Capabilities | None = None, batches: bool = False, **config: Any
    ) -> ScriptedProvider:
        """Make a provider; *config* are fields of the configuration."""
        return ScriptedProvider(self, ScriptedConfig(**config), capabilities or EVERYTHING, batches=batches)

    def deliver(self, message: SpaMessage) -> bool:
        """Hand a message to every subscription it matches, as if somebody else had published it."""
        listeners = [each for each in self.subscriptions if each.wants(message.topic)]
        for subscription in listeners:
            subscription.add(message, attempt=1)
        return bool(listeners)

    async def call(self, name: str, message: SpaMessage | None = None) -> None:
        """Note a call, wait as the test says, and fail as it says."""
        self.calls.append(name)
        await checkpoint()
        if (hold := self.before.get(name)) is not None:
            await hold()
        if (error := self.refuse(name, message)) is not None:
            raise error

    def outcomes(self) -> list[type]:
        """Return how messages were settled, in order."""
        return [type(outcome) for _, outcome in self.settled]

    def on(self, topic: str) -> list[SpaMessage]:
        """Return what was accepted on a topic."""
        return [message for message in self.published if message.topic == topic]


class ScriptedConfig(TransportConfig, frozen=True):
    """What every transport has, and no more."""


class ScriptedProvider(SocketProvider[ScriptedConfig]):
    """Opens scripted sockets."""

    def __init__(self, broker: Broker, config: ScriptedConfig, capabilities: Capabilities, *, batches: bool) -> None:
        super().__init__(config)
        self._broker = broker
        self._capabilities = capabilities
        self._socket = BatchSocket if batches else ScriptedSocket

    @property
    def capabilities(self) -> Capabilities:
        """What the test declares."""
        return self._capabilities

    def open(self, on_connection: ConnectionListener) -> ScriptedSocket:
        """Make a socket."""
        return self._socket(self._broker, on_connection)


class ScriptedSocket:
    """A socket that notes and forwards."""

    def __init__(self, broker: Broker, on_connection: ConnectionListener) -> None:
        self._broker = broker
        self._on_connection = on_connection

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._broker.call("connect")
        self._broker.listener = self._on_connection
        self._on_connection(ConnectionEvent(state="connected"))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._broker.call("disconnect")
        self._on_connection(ConnectionEvent(state="closed"))

    async def publish(self, message: SpaMessage) -> bool | None:
        """Accept or refuse a message."""
        await self._broker.call("publish", message)
        self._broker.published.append(message)
        heard = self._broker.deliver(message)
        return heard if self._broker.somebody_listens is ... else self._broker.somebody_listens

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[ScriptedSubscription]:
        """Accept or refuse a subscription."""
        await self._broker.call(f"subscribe {' '.join(spec.topics)}")
        subscription = ScriptedSubscription(self._broker, spec)
        self._broker.subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._broker.subscriptions.remove(subscription)
            self._broker.calls.append(f"leave {' '.join(spec.topics)}")
            subscription.leave()

    async def check(self) -> None:
        """Say that the broker answers, unless it is not to."""
        await self._broker.call("check")


class BatchSocket(ScriptedSocket):
    """A socket that publishes many at once."""

    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        """Accept messages up to the first that is refused."""
        await self._broker.call(f"publish_many {len(messages)}")
        for message in messages:
            if (error := self._broker.refuse("publish", message)) is not None:
                raise error
            self._broker.published.append(message)


class ScriptedSubscription:
    """
    A subscription whose messages, end and failure come from the test.

    Attributes:
        spec: What was asked for.
        waiting: What was not handed out yet.
        unsettled: What was handed out and is not settled.
        most_unsettled: The most that was ever handed out and not settled.
        asked: How many messages each call asked for.
    """

    def __init__(self, broker: Broker, spec: SubscriptionSpec) -> None:
        self.spec = spec
        self.waiting: deque[ScriptedDelivery] = deque()
        self.unsettled: list[ScriptedDelivery] = []
        self.most_unsettled = 0
        self.asked: list[int] = []
        self._broker = broker
        self._end: Exception | None = None
        self._changed: anyio.Event | None = None

    def wants(self, topic: str) -> bool:
        """Tell whether a message on *topic* is for this subscription."""
        return self._end is None and any(matches(each, topic) for each in self.spec.topics)

    def add(self, message: SpaMessage, *, attempt: int | None) -> None:
        """Let a message wait here."""
        self.waiting.append(ScriptedDelivery(self, message, attempt))
        self._change()

    def end(self, error: Exception | None = None) -> None:
        """End it, for good: whoever receives gets *error*, or the plain end of a subscription."""
        self._end = error or EndOfSubscription()
        self._change()

    def leave(self) -> None:
        """Take back what is not settled."""
        self._broker.given_back += [delivery.message for delivery in self.unsettled]
        self.unsettled.clear()

    async def receive_batch(self, max_messages: int) -> Sequence[ScriptedDelivery]:
        """Wait for messages."""
        self.asked.append(max_messages)
        await checkpoint()
        while not self.waiting:
            if self._end is not None:
                raise self._end
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()
        batch = [self.waiting.popleft() for _ in range(min(max_messages, len(self.waiting)))]
        self.unsettled += batch
        self.most_unsettled = max(self.most_unsettled, len(self.unsettled))
        return batch

    async def stop_fetching(self) -> None:
        """Hand out nothing more."""
        await self._broker.call("stop_fetching")
        self.waiting.clear()
        self.end()

    async def settled(self, delivery: ScriptedDelivery, outcome: Outcome) -> bool:
        """Note a settlement; a message to be delivered again waits again, whatever the delay."""
        if delivery not in self.unsettled:
            return False
        self.unsettled.remove(delivery)
        self._broker.settled.append((delivery.message, outcome))
        if isinstance(outcome, Retry):
            self.add(delivery.message, attempt=None if delivery.attempt is None else delivery.attempt + 1)
        return True

    def _change(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


class ScriptedDelivery(SettleOnce):
    """One message handed out."""

    def __init__(self, subscription: ScriptedSubscription, message: SpaMessage, attempt: int | None) -> None:
        super().__init__(message, attempt=attempt, redelivered=None if attempt is None else attempt > 1)
        self._subscription = subscription

    async def apply(self, outcome: Outcome) -> bool:
        """Tell the subscription."""
        return await self._subscription.settled(self, outcome)


@pytest.fixture
def broker() -> Broker:
    """Return a broker of this test's own."""
    return Broker()


@pytest.fixture
def eventually() -> Eventually:
    """Return what waits, without sleeping, until a condition holds, and fails the test if it never does."""

    async def wait(condition: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE):
            while not condition():
                await checkpoint()

    return wait


@pytest.fixture
def quiet() -> Quiet:
    """Return what waits until everything has come to rest that needs nothing from outside, for "and nothing more"."""

    async def wait() -> None:
        for _ in range(SOON):
            await checkpoint()

    return wait
