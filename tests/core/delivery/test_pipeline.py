"""From subscriptions to handlers: bounds, order, fairness, and how it ends."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spa_core import FailurePolicy, SpaMessage
from spa_core._delivery.pipeline import BATCH, ORDERINGS
from spa_core.errors import DisconnectedError, HandlerFailedError
from spa_core.transport import Ack

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from random import Random

    from tests.core.conftest import Broker, Eventually, Quiet
    from tests.core.delivery.conftest import Bench, Benches

    from spa_core._delivery.pipeline import Ordering

pytestmark = pytest.mark.anyio

KEY = st.sampled_from([None, "a", "b", "c"])
TOPIC = st.sampled_from(["in/x", "in/y"])


class Handler:
    """A handler that notes what runs and lets each message go when told."""

    def __init__(self) -> None:
        self.running: list[SpaMessage] = []
        self.most_running = 0
        self.done: list[SpaMessage] = []
        self.gates: defaultdict[bytes, anyio.Event] = defaultdict(anyio.Event)

    async def __call__(self, message: SpaMessage) -> None:
        """Handle a message: wait for its gate."""
        self.running.append(message)
        self.most_running = max(self.most_running, len(self.running))
        try:
            await self.gates[message.payload].wait()
        finally:
            self.running.remove(message)
        self.done.append(message)

    def let_go(self, *payloads: bytes) -> None:
        """Let the handlers of some messages end."""
        for payload in payloads:
            self.gates[payload].set()


def payloads(count: int) -> list[bytes]:
    """Number some payloads."""
    return [str(number).encode() for number in range(count)]


# -- concurrency -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 2, 7])
async def test_no_more_handlers_run_than_allowed(bench: Benches, eventually: Eventually, concurrency: int) -> None:
    """As many handlers run at once as ``concurrency`` says: that many while there is work, never one more."""
    handler = Handler()
    async with bench(handler, concurrency=concurrency) as running:
        for payload in payloads(20):
            running.send(payload=payload)
        await eventually(lambda: len(handler.running) == concurrency)
        for payload in payloads(20):
            handler.let_go(payload)
        await eventually(lambda: len(handler.done) == 20)

    assert handler.most_running == concurrency
    assert running.counts.handled == 20


async def test_several_subscriptions_share_one_sequence(bench: Benches, eventually: Eventually, broker: Broker) -> None:
    """With one handler at a time, subscriptions added later do not make it two."""
    handler = Handler()
    async with bench(handler) as running:
        await running.socket.subscribe("more/#")
        for number, payload in enumerate(payloads(10)):
            broker.deliver(SpaMessage(topic="in/a" if number % 2 else "more/a", payload=payload))
        await eventually(lambda: handler.running)
        for payload in payloads(10):
            handler.let_go(payload)
        await eventually(lambda: len(handler.done) == 10)

    assert handler.most_running == 1


async def test_a_free_worker_gets_work_while_another_is_stuck(bench: Benches, eventually: Eventually) -> None:
    """Work is conserved: however many handlers are slow, the others go on with what waits at the broker."""
    handler = Handler()
    async with bench(handler, concurrency=8, prefetch=8) as running:
        for payload in payloads(40):
            running.send(payload=payload)
        await eventually(lambda: len(handler.running) == 8)
        stuck = payloads(7)
        handler.let_go(*[payload for payload in payloads(40) if payload not in stuck])
        await eventually(lambda: len(handler.done) == 33)

        assert sorted(message.payload for message in handler.running) == stuck
        handler.let_go(*stuck)

    assert running.counts.handled == 40


async def test_idle_workers_wake_up(bench: Benches, eventually: Eventually, quiet: Quiet) -> None:
    """Workers that had nothing to do take up new messages at once."""
    handler = Handler()
    handler.let_go(*payloads(30))
    async with bench(handler, concurrency=4) as running:
        for number, payload in enumerate(payloads(30)):
            running.send(payload=payload)
            if number % 3 == 0:
                await quiet()
        await eventually(lambda: len(handler.done) == 30)


# -- order -------------------------------------------------------------------------------------------------------------


async def handled_in_order(
    bench: Benches, broker: Broker, messages: list[SpaMessage], random: Random, ordering: Ordering
) -> list[SpaMessage]:
    """Handle messages, eight at once, for random whiles, some of them failing once; return them as they ended."""
    ended: list[SpaMessage] = []
    failing = {message.message_id for message in messages if random.random() < 0.3}

    async def handle(message: SpaMessage) -> None:
        for _ in range(random.randrange(5)):
            await checkpoint()
        if message.message_id in failing:
            failing.discard(message.message_id)
            raise ValueError(message.message_id)
        ended.append(message)

    async with bench(handle, on=broker, concurrency=8, ordering=ordering, prefetch=20) as running:
        for message in messages:
            running.subscription.add(message, attempt=1)
        with anyio.fail_after(5):
            while len(ended) < len(messages):
                await checkpoint()
    return ended


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("ordering", ORDERINGS)
@given(sent=st.lists(st.tuples(TOPIC, KEY), max_size=60), random=st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_is_kept_at_any_pace(
    broker: Broker,
    bench: Benches,
    *,
    ordering: Ordering,
    backend: str,
    sent: list[tuple[str, str | None]],
    random: Random,
) -> None:
    """With eight handlers of random length, retries included, messages of one key (or topic) end in their order."""
    messages = [SpaMessage(topic=topic, key=key, payload=str(n)) for n, (topic, key) in enumerate(sent)]

    ended = anyio.run(handled_in_order, bench, type(broker)(), messages, random, ordering, backend=backend)

    lanes: defaultdict[object, list[int]] = defaultdict(list)
    for message in ended:
        if ordering == "topic" or (ordering == "key" and message.key is not None):
            lanes[message.topic, message.key if ordering == "key" else None].append(int(message.payload))
    assert all(lane == sorted(lane) for lane in lanes.values())
    assert sorted(message.payload for message in ended) == sorted(message.payload for message in messages)


async def test_one_at_a_time_is_total_order(bench: Benches, eventually: Eventually) -> None:
    """With one handler at a time everything ends in the order it came, whatever fails on the way."""
    ended: list[bytes] = []
    failed: set[bytes] = set()

    async def handle(message: SpaMessage) -> None:
        if message.payload.endswith(b"3") and message.payload not in failed:
            failed.add(message.payload)
            raise ValueError(message.payload)
        ended.append(message.payload)

    async with bench(handle, ordering="none") as running:
        for payload in payloads(120):
            running.send(payload=payload)
        await eventually(lambda: len(ended) == 120)

    assert ended == payloads(120)


async def test_messages_of_one_key_run_one_after_the_other(
    bench: Benches, eventually: Eventually, quiet: Quiet
) -> None:
    """While a message of a key is handled the next of that key waits, and those of others do not."""
    handler = Handler()
    async with bench(handler, concurrency=4) as running:
        running.send(payload=b"k1", key="k")
        running.send(payload=b"k2", key="k")
        running.send(payload=b"other", key="o")
        running.send(payload=b"none")
        await quiet()

        assert {message.payload for message in handler.running} == {b"k1", b"other", b"none"}

        handler.let_go(b"k1")
        await eventually(lambda: b"k2" in [message.payload for message in handler.running])
        handler.let_go(b"k2", b"other", b"none")


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3, 8])
@pytest.mark.parametrize("prefetch", [1, 5, 100])
async def test_no_more_is_taken_than_prefetch(
    bench: Benches, quiet: Quiet, eventually: Eventually, *, concurrency: int, prefetch: int
) -> None:
    """However many wait at the broker and however slow handlers are, no more than the bound is in hand."""
    handler = Handler()
    async with bench(handler, concurrency=concurrency, prefetch=prefetch) as running:
        for payload in payloads(300):
            running.send(payload=payload)
        await quiet()

        assert running.subscription.most_unsettled <= max(prefetch, concurrency)
        assert len(handler.running) == concurrency

        handler.let_go(*payloads(300))
        await eventually(lambda: running.counts.handled == 300)

    assert running.subscription.most_unsettled <= max(prefetch, concurrency)


async def test_no_batch_is_so_large_that_others_starve(bench: Benches, eventually: Eventually) -> None:
    """No call asks for more than a batch, however large prefetch is."""
    handler = Handler()
    handler.let_go(*payloads(200))
    async with bench(handler, prefetch=10_000) as running:
        for payload in payloads(200):
            running.send(payload=payload)
        await eventually(lambda: running.counts.handled == 200)

    assert max(running.subscription.asked) == BATCH


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_handler_that_never_waits_lets_others_run(bench: Benches, concurrency: int) -> None:
    """Thousands of messages whose handlers never wait do not keep the event loop to themselves."""
    turns = 0
    handled = 0

    async def handle(**_: object) -> None:
        nonlocal handled
        handled += 1

    async with bench(handle, concurrency=concurrency, prefetch=3000) as running:
        for payload in payloads(3000):
            running.send(payload=payload)
        with anyio.fail_after(5):
            while handled < 3000:
                turns += 1
                await checkpoint()

    assert turns >= 3000 / BATCH / 2


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_draining_finishes_what_was_handed_out(
    broker: Broker, bench: Benches, eventually: Eventually, concurrency: int
) -> None:
    """After fetching stopped, handlers that run finish, their messages are settled, and nothing new begins."""
    handler = Handler()
    async with bench(handler, concurrency=concurrency, prefetch=4) as running:
        for payload in payloads(4):
            running.send(payload=payload)
        await eventually(lambda: len(handler.running) == concurrency)
        await running.socket.stop_fetching()
        running.send(payload=b"late")
        handler.let_go(*payloads(4))

    assert sorted(message.payload for message in handler.done) == payloads(4)
    assert broker.outcomes() == [Ack] * 4


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_draining_with_nothing_to_do_is_instant(bench: Benches, concurrency: int) -> None:
    """An idle consumer ends as soon as it is told to."""
    async with bench(Handler(), concurrency=concurrency) as running:
        await running.socket.stop_fetching()

    assert running.counts.received == 0


async def fails(**_: object) -> None:
    """Fail on every message."""
    raise ValueError


async def until_it_ends(consumer: AbstractAsyncContextManager[Bench], error: Exception | None = None) -> None:
    """Send a message to a consumer, or let its subscription end with an error, and wait until that is its end."""
    async with consumer as running:
        if error is None:
            running.send()
        else:
            running.subscription.end(error)
        with anyio.fail_after(5):
            await anyio.sleep_forever()


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_one_failing_for_good_ends_all_workers(bench: Benches, concurrency: int) -> None:
    """Under ``then="stop"`` a failure comes out as itself, not in a group, however many workers there are."""
    policy = FailurePolicy(attempts=1, then="stop")
    with pytest.raises(HandlerFailedError):
        await until_it_ends(bench(fails, concurrency=concurrency, policy=policy))


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_lost_subscription_ends_the_consumer(bench: Benches, concurrency: int) -> None:
    """A subscription that is lost for good is an error: a consumer never goes deaf without a word."""
    with pytest.raises(DisconnectedError, match="gone"):
        await until_it_ends(bench(Handler(), concurrency=concurrency), DisconnectedError("gone"))


async def test_progress(bench: Benches, eventually: Eventually) -> None:
    """What runs is known, the oldest first, and so is how long ago a message was settled."""
    handler = Handler()
    async with bench(handler, concurrency=3) as running:
        assert running.progress.seconds_since_settled() is None

        for payload in payloads(3):
            running.send(payload=payload)
        await eventually(lambda: len(handler.running) == 3)
        slots = running.progress.running()

        assert [slot.started for slot in slots] == sorted(slot.started for slot in slots)
        assert {slot.message.payload for slot in slots if slot.message is not None} == set(payloads(3))

        handler.let_go(*payloads(3))
        await eventually(lambda: running.counts.handled == 3)

        assert running.progress.running() == []
        assert 0 <= (running.progress.seconds_since_settled() or 0.0) < 60
