"""The faults of the origin that show without a broker, each proved gone: those of sockets, readers and requests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import DistributedApplication, SpaMessage, SpaSocket
from spa_core.errors import DisconnectedError, EndOfSubscription, QueueFullError, RequestTimeoutError
from spa_inmemory import MemoryConfig, MemorySocket, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from spa_core.transport import ConnectionListener, Delivery, Subscription, SubscriptionSpec

pytestmark = pytest.mark.anyio

CONFIG = MemoryConfig(name="origin")
NORTH, SOUTH = "plants/north", "plants/south"

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
"""For programs that use an ``asyncio.Queue``, as the origin's own did."""


@pytest.fixture
def provider() -> MemorySocketProvider:
    """Return a provider without default topics."""
    return MemorySocketProvider(CONFIG)


async def run(app: DistributedApplication) -> None:
    """Run an application to its end."""
    with anyio.fail_after(5):
        await app.start_async()


class Counting(MemorySocketProvider):
    """Counts connections and reply subscriptions."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        self.counts = {"connections": 0, "reply subscriptions": 0}

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        """Make a counted socket."""
        self.counts["connections"] += 1
        counts = self.counts

        class Counted(MemorySocket):
            @asynccontextmanager
            async def subscribe(self, spec: SubscriptionSpec) -> AsyncIterator[Subscription]:
                counts["reply subscriptions"] += spec.reply
                async with super().subscribe(spec) as subscription:
                    yield subscription

        return Counted(self.config, on_connection)


async def test_requests_share_one_connection() -> None:
    """Any number of requests at once use one connection and one subscription, and no reply goes to another request."""
    counting = Counting(CONFIG)
    app = DistributedApplication(MemorySocketProvider(CONFIG))
    waiting: list[SpaMessage] = []
    replies: dict[int, bytes] = {}

    @app.application(NORTH)
    async def responder(message: SpaMessage, socket: SpaSocket) -> None:
        waiting.append(message)
        if len(waiting) == 20:
            for request in reversed(waiting):
                await socket.publish(SpaMessage(payload=b"re: " + request.payload, topic=request.response_topic or ""))

    @app.producer(socket_provider=counting)
    async def requester(socket: SpaSocket) -> None:
        async def ask(number: int) -> None:
            replies[number] = (await socket.request(SpaMessage(payload=str(number), topic=NORTH))).payload

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(ask, number)
        app.stop()

    await run(app)

    assert replies == {number: b"re: %d" % number for number in range(20)}
    assert counting.counts == {"connections": 1, "reply subscriptions": 1}


async def test_late_reply_is_dropped(provider: MemorySocketProvider) -> None:
    """A reply that comes after its request has ended is counted and never taken for the reply to the next one."""
    app = DistributedApplication(provider)
    requests: list[SpaMessage] = []
    seen: list[Any] = []

    @app.application(NORTH)
    async def responder(message: SpaMessage, socket: SpaSocket) -> None:
        requests.append(message)
        if len(requests) == 2:
            for request in requests:
                await socket.publish(SpaMessage(payload=request.payload, topic=request.response_topic or ""))

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        with pytest.raises(RequestTimeoutError):
            await socket.request(SpaMessage(payload="first", topic=NORTH, ttl=60.0), timeout=0.01)
        seen.append((await socket.request(SpaMessage(payload="second", topic=NORTH))).payload)
        seen.append(socket.late_replies)
        app.stop()

    await run(app)

    assert seen == [b"second", 1]


async def test_request_times_out(provider: MemorySocketProvider) -> None:
    """A request that nobody answers ends, and says what it was for."""
    app = DistributedApplication(provider)
    errors: list[RequestTimeoutError] = []

    @app.application(NORTH)
    async def silent(message: SpaMessage) -> None: ...

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        try:
            await socket.request(SpaMessage(payload="1", topic=NORTH), timeout=0.01)
        except RequestTimeoutError as error:
            errors.append(error)
        app.stop()

    await run(app)

    assert [(error.topic, error.timeout) for error in errors] == [(NORTH, 0.01)]


class Broken:
    """A subscription that breaks as soon as somebody reads it."""

    def __init__(self, subscription: Subscription, error: Exception) -> None:
        self._subscription = subscription
        self._error = error

    async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
        """Break."""
        del max_messages
        raise self._error

    async def stop_fetching(self) -> None:
        """Stop fetching."""
        await self._subscription.stop_fetching()


class Breaking(MemorySocketProvider):
    """Its subscriptions break: all of them, or those for replies."""

    error: Exception = DisconnectedError("the broker is gone for good")
    replies_only = False

    def open(self, on_connection: ConnectionListener) -> MemorySocket:
        """Make a socket with such subscriptions."""
        error, replies_only = self.error, self.replies_only

        class Socket(MemorySocket):
            @asynccontextmanager
            async def subscribe(self, spec: SubscriptionSpec) -> AsyncIterator[Subscription]:
                async with super().subscribe(spec) as subscription:
                    yield subscription if replies_only and not spec.reply else Broken(subscription, error)

        return Socket(self.config, on_connection)


@pytest.mark.parametrize("error", [DisconnectedError("gone for good"), EndOfSubscription()], ids=["lost", "ended"])
async def test_reader_death_ends_the_application(error: Exception) -> None:
    """When nothing can be received any more the application fails instead of going deaf; the others are closed."""
    breaking = Breaking(CONFIG)
    breaking.error = error
    app = DistributedApplication(breaking)
    closed: list[str] = []

    @contextmanager
    def resource() -> Iterator[None]:
        yield
        closed.append("resource")

    @app.application(NORTH)
    async def deaf(message: SpaMessage) -> None: ...

    @app.application(SOUTH, socket_provider=MemorySocketProvider(CONFIG), resources={"meter": resource})
    async def sound(message: SpaMessage) -> None: ...

    with pytest.raises(DisconnectedError):
        await run(app)

    assert closed == ["resource"]
    assert [application.status for application in app.applications] == ["failed", "stopped"]


@on_asyncio
async def test_reader_death_of_a_queue() -> None:
    """Whoever waits for a queue that nothing can come into any more is woken by the error."""
    queue: asyncio.Queue[SpaMessage] = asyncio.Queue()

    with pytest.raises(DisconnectedError), anyio.fail_after(5):
        async with Breaking(CONFIG).rebuild(topics=NORTH).create_socket(queue):
            await queue.get()


async def test_reader_death_of_replies() -> None:
    """Whoever waits for a reply that cannot come any more is woken by the error, long before the timeout."""
    breaking = Breaking(CONFIG)
    breaking.replies_only = True

    async def request() -> None:
        async with breaking.create_socket() as socket:
            await socket.subscribe(NORTH)
            await socket.request(SpaMessage(payload="1", topic=NORTH))

    with anyio.fail_after(5), pytest.raises(DisconnectedError):
        await request()


async def test_inbound_queue_is_bounded(provider: MemorySocketProvider) -> None:
    """What a slow consumer has not taken is bounded, and who publishes more is told."""
    small = provider.overwrite_config(queue_size=3, prefetch=2, overflow="error")
    app = DistributedApplication(small)
    accepted: list[int] = []

    @app.application(NORTH)
    async def stuck(**_: Any) -> None:
        await anyio.sleep_forever()

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        for number in range(1000):
            await socket.publish(SpaMessage(payload=str(number), topic=NORTH))
            await anyio.wait_all_tasks_blocked()
            accepted.append(number)

    app.shutdown_timeout = 0.0
    with pytest.raises(QueueFullError):
        await run(app)

    assert 3 <= len(accepted) <= 3 + 2


@on_asyncio
async def test_own_queue_is_not_overrun(provider: MemorySocketProvider) -> None:
    """A bounded queue given to ``create_socket`` holds back the reader and loses nothing."""
    queue: asyncio.Queue[SpaMessage] = asyncio.Queue(maxsize=1)
    async with provider.rebuild(topics=NORTH).create_socket(queue) as socket:
        for number in range(10):
            await socket.publish(SpaMessage(payload=str(number), topic=NORTH))
        await anyio.wait_all_tasks_blocked()
        held = queue.qsize()
        received = [(await queue.get()).payload for _ in range(10)]

    assert held == 1
    assert received == [b"%d" % number for number in range(10)]
