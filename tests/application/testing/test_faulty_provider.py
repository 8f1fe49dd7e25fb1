"""Faults that a schedule says, made to happen around the in-memory transport."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core import DistributedApplication, FailurePolicy, SpaMessage, SpaSocket
from spa_core.errors import EndOfSubscription, PublishRefusedError
from spa_core.testing.clock import virtual_time
from spa_core.testing.faults import FAULT_KINDS, Fault, FaultSchedule
from spa_core.testing.faulty import FaultyProvider
from spa_core.transport import ACK, Retry, SubscriptionSpec
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spa_core.testing.faults import FaultKind
    from spa_core.transport import ConnectionEvent, Delivery, Subscription, TransportSocket

pytestmark = pytest.mark.anyio

_numbers = itertools.count()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, on virtual time."""
    return request.param, virtual_time(request.param)


def faulty(*faults: Fault) -> FaultyProvider:
    """Return a provider with faults, on a broker of its own."""
    memory = MemorySocketProvider(MemoryConfig(name=f"faulty-{next(_numbers)}"))
    return FaultyProvider(memory, FaultSchedule(faults))


@asynccontextmanager
async def opened(
    provider: FaultyProvider, events: list[ConnectionEvent] | None = None
) -> AsyncIterator[tuple[TransportSocket, Subscription]]:
    """Open a socket and subscribe it to everything."""
    events = [] if events is None else events
    async with (
        provider.open(events.append) as socket,
        socket.subscribe(SubscriptionSpec(topics=("#",))) as subscription,
    ):
        yield socket, subscription


async def publish(socket: TransportSocket, *payloads: str, key: str | None = None) -> None:
    """Publish payloads."""
    for payload in payloads:
        await socket.publish(SpaMessage(topic="t", payload=payload, key=key))  # type: ignore[arg-type]


async def receive(subscription: Subscription, count: int) -> list[Delivery]:
    """Receive so many deliveries, not settled."""
    deliveries: list[Delivery] = []
    while len(deliveries) < count:
        deliveries += await subscription.receive_batch(count - len(deliveries))
    return deliveries


async def payloads(subscription: Subscription, count: int) -> str:
    """Receive and settle so many messages, and return what is in them."""
    deliveries = await receive(subscription, count)
    for delivery in deliveries:
        assert await delivery.settle(ACK)
    with anyio.move_on_after(1000):
        pytest.fail(f"one more: {await subscription.receive_batch(1)}")
    return "".join(delivery.message.payload.decode() for delivery in deliveries)


async def test_without_faults() -> None:
    """An empty schedule changes nothing."""
    provider = faulty()
    async with opened(provider) as (socket, subscription):
        await publish(socket, *"abc")

        assert await payloads(subscription, 3) == "abc"
        assert provider.capabilities == provider.wrapped.capabilities
        assert provider.describe() == provider.wrapped.describe()


async def test_drop() -> None:
    """A dropped message is accepted and never delivered."""
    async with opened(faulty(Fault(kind="drop", position=1))) as (socket, subscription):
        await publish(socket, *"abc")

        assert await payloads(subscription, 2) == "ac"


async def test_duplicate() -> None:
    """A duplicated message is delivered so many times more."""
    async with opened(faulty(Fault(kind="duplicate", position=1, count=2))) as (socket, subscription):
        await publish(socket, *"abc")

        assert await payloads(subscription, 5) == "abbbc"


async def test_refuse() -> None:
    """A refused message is not accepted, and published again it is."""
    async with opened(faulty(Fault(kind="refuse_publish", position=0))) as (socket, subscription):
        with pytest.raises(PublishRefusedError, match="scheduled for message 0"):
            await publish(socket, "a")
        await publish(socket, "a")

        assert await payloads(subscription, 1) == "a"


async def test_delay() -> None:
    """A delayed message comes later, after those that need not wait for it, and the provider is idle then."""
    provider = faulty(Fault(kind="delay", position=0, seconds=60))
    async with opened(provider) as (socket, subscription):
        await publish(socket, *"abc")
        assert not provider.is_idle()
        await provider.until_idle()
        assert anyio.current_time() >= 60
        assert provider.is_idle()

        assert await payloads(subscription, 3) == "bca"


async def test_reorder() -> None:
    """A reordered message comes after so many others."""
    async with opened(faulty(Fault(kind="reorder", position=0, count=2))) as (socket, subscription):
        await publish(socket, *"abc")
        await anyio.sleep(0.1)
        await publish(socket, "d")

        assert await payloads(subscription, 4) == "bcad"


async def test_reorder_without_followers() -> None:
    """A message that nobody overtakes comes after a second all the same."""
    async with opened(faulty(Fault(kind="reorder", position=1, count=9))) as (socket, subscription):
        await publish(socket, *"ab")

        assert await payloads(subscription, 2) == "ab"


@pytest.mark.parametrize(
    "fault", [Fault(kind="delay", position=0, seconds=9), Fault(kind="reorder", position=0, count=3)]
)
async def test_keys_keep_their_order(fault: Fault) -> None:
    """Messages of one key stay behind a held one; those of other keys overtake it."""
    async with opened(faulty(fault, Fault(kind="duplicate", position=3))) as (socket, subscription):
        await publish(socket, "a", key="one")
        await publish(socket, "x", key="other")
        await publish(socket, "b", "c", key="one")

        assert await payloads(subscription, 5) == "xabcc"


async def test_positions_are_shared() -> None:
    """Messages are counted over all sockets of a provider and of those made of it."""
    provider = faulty(Fault(kind="drop", position=1))
    async with opened(provider) as (socket, subscription), opened(provider.overwrite_config(prefetch=3)) as (other, _):
        await publish(socket, "a")
        await publish(other, "b")
        await publish(socket, "c")

        assert await payloads(subscription, 2) == "ac"


async def test_disconnect() -> None:
    """What is unsettled when the connection is lost comes again, before all else, and can be settled only then."""
    events: list[ConnectionEvent] = []
    async with opened(faulty(Fault(kind="disconnect", position=3, seconds=60)), events) as (socket, subscription):
        await publish(socket, *"abc")
        first, second, _ = await receive(subscription, 3)
        assert await first.settle(ACK)
        await publish(socket, "d")

        assert anyio.current_time() >= 60
        assert [event.state for event in events] == ["connected", "disconnected", "connected"]
        assert not await second.settle(ACK)
        again = await receive(subscription, 2)
        assert [(each.message.payload, each.attempt, each.redelivered) for each in again] == [
            (b"b", 2, True),
            (b"c", 2, True),
        ]
        assert await again[0].settle(Retry())
        [third] = await receive(subscription, 1)
        assert (third.message.payload, third.attempt) == (b"b", 3)


async def test_disconnect_twice() -> None:
    """What is lost a second time still comes before what was lost with it and not handed out again yet."""
    faults = [Fault(kind="disconnect", position=position) for position in (2, 3)]
    async with opened(faulty(*faults)) as (socket, subscription):
        await publish(socket, *"ab")
        await receive(subscription, 2)
        await publish(socket, "c")
        await subscription.receive_batch(1)
        await publish(socket, "d")

        assert await payloads(subscription, 4) == "abcd"


async def test_disconnect_while_receiving() -> None:
    """A reader that waits when the connection is lost goes on waiting, and gets what comes again."""
    async with opened(faulty(Fault(kind="disconnect", position=1, seconds=1))) as (socket, subscription):
        await publish(socket, "a")
        [lost] = await receive(subscription, 1)
        received: list[Delivery] = []

        async def read() -> None:
            received.extend(await receive(subscription, 2))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(1)
            await publish(socket, "b")

        assert not await lost.settle(ACK)
        assert [delivery.message.payload for delivery in received] == [b"a", b"b"]


async def test_stop_fetching() -> None:
    """A reader ends when fetching is stopped, although there is no connection."""
    async with opened(faulty(Fault(kind="disconnect", position=2, seconds=1000))) as (socket, subscription):
        await publish(socket, *"ab")
        await receive(subscription, 1)

        ended: list[EndOfSubscription] = []

        async def read() -> None:
            try:
                await subscription.receive_batch(1)
            except EndOfSubscription as end:
                ended.append(end)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.publish, SpaMessage(topic="t"))
            await anyio.sleep(1)
            tasks.start_soon(read)
            await anyio.sleep(1)
            assert not ended
            await subscription.stop_fetching()
            await anyio.sleep(1)
            tasks.cancel_scope.cancel()

        assert ended


async def test_closing_lets_everything_out() -> None:
    """What was accepted and held back is published when the socket closes."""
    provider = faulty(Fault(kind="delay", position=0, seconds=1000), Fault(kind="reorder", position=1, count=9))
    async with opened(provider) as (_, subscription):
        async with provider.open(lambda _: None) as socket:
            await publish(socket, *"abc")
        assert anyio.current_time() == 0

        assert sorted(await payloads(subscription, 3)) == ["a", "b", "c"]


async def test_lost_replies() -> None:
    """Requests work over a faulty provider, and a second answer is dropped."""
    provider = faulty(Fault(kind="duplicate", position=1))
    async with provider.create_socket() as responder, provider.create_socket() as socket:
        await responder.subscribe("ask")

        async def respond() -> None:
            async for message in responder:
                await responder.reply(message, "yes")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(respond)
            reply = await socket.request("ask", "?")
            await anyio.sleep(1)
            tasks.cancel_scope.cancel()

        assert reply.payload == b"yes"
        assert socket.late_replies == 1


async def test_a_test_with_faults() -> None:
    """``app.test(faults=...)`` strikes what anybody publishes, and shows what they meant to publish."""
    app = DistributedApplication()

    @app.application("a")
    async def forward(number: int, socket: SpaSocket) -> None:
        await socket.publish("b", number)

    faults = FaultSchedule([Fault(kind="duplicate", position=0), Fault(kind="delay", position=1, seconds=3600)])
    async with app.test(faults=faults) as t:
        await t.publish("a", 7)
        await t.settle()

        assert [message.topic for message in t.published()] == ["a", "b", "b"]
        assert anyio.current_time() >= 3600


async def test_a_refused_publish() -> None:
    """What was refused is not among what was published, and its publisher is told."""
    app = DistributedApplication()

    @app.application("a")
    async def handle() -> None: ...

    async with app.test(faults=FaultSchedule([Fault(kind="refuse_publish", position=0)])) as t:
        with pytest.raises(PublishRefusedError):
            await t.publish("a", "")
        await t.publish("a", "")
        await t.settle()

        assert len(t.published()) == len(t.calls(handle)) == 1


SURVIVED: tuple[FaultKind, ...] = tuple(kind for kind in FAULT_KINDS if kind != "drop")
ORDERS = [(f"order-{number}", f"customer-{number % 3}", 100 + number) for number in range(12)]


def schedules() -> st.SearchStrategy[FaultSchedule]:
    """Return schedules of everything that a transport that loses nothing may do."""
    return st.builds(
        FaultSchedule.seeded,
        st.integers(0, 2**32),
        messages=st.just(60),
        rate=st.floats(0, 0.6),
        kinds=st.just(SURVIVED),
        max_seconds=st.sampled_from([0.0, 5.0, 3600.0]),
    )


async def settle_orders(faults: FaultSchedule, *, concurrency: int) -> tuple[Counter[str], list[list[str]]]:
    """Have orders booked, each once in effect; return the balances and each customer's orders in sequence."""
    app = DistributedApplication()
    balances: Counter[str] = Counter()
    booked: dict[str, None] = {}

    # As many attempts as the schedule can refuse: an order is handled in the end.
    @app.application("orders", concurrency=concurrency, policy=FailurePolicy(attempts=61, backoff=1))
    async def book(order: tuple[str, int], message: SpaMessage, socket: SpaSocket) -> None:
        name, amount = order
        await anyio.sleep(0.1)
        await socket.publish("booked", name)
        if name not in booked:
            booked[name] = None
            balances[(message.key or b"").decode()] += amount

    async with app.test(faults=faults) as t:
        for name, customer, amount in ORDERS:
            accepted = False
            while not accepted:
                try:
                    await t.publish("orders", (name, amount), key=customer)
                    accepted = True
                except PublishRefusedError:
                    await anyio.sleep(1)
        await t.settle()
        assert not t.dead_letters
    sequences = [[name for name in booked if int(name[6:]) % 3 == customer] for customer in range(3)]
    return balances, sequences


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(faults=schedules(), concurrency=st.integers(1, 4))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_an_idempotent_handler_survives(backend: str, faults: FaultSchedule, concurrency: int) -> None:
    """Whatever goes wrong short of a loss, each order is booked once in effect, and in the order of its customer."""

    async def run() -> tuple[Counter[str], list[list[str]]]:
        return await settle_orders(faults, concurrency=concurrency)

    balances, sequences = anyio.run(run, backend=backend, backend_options=virtual_time(backend))

    expected: Counter[str] = Counter()
    for _, customer, amount in ORDERS:
        expected[customer] += amount
    assert balances == expected
    assert sequences == [[name for name, customer, _ in ORDERS if customer.endswith(str(each))] for each in range(3)]
