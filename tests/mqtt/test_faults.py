"""What a broker, a network and a machine can do to a program, against the real broker: nothing is lost by it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from brokers.process import LOOPBACK

from spa_core import ConsumerApplication, SpaMessage
from spa_core.testing.kit import Kit
from spa_core.testing.parties import running
from spa_core.testing.proxy import FaultProxy
from spa_core.transport import ACK, SubscriptionSpec
from spa_mqtt import MqttConfig, MqttSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from brokers.mosquitto import Mosquitto

    from spa_core import SpaSocket
    from spa_core.transport import ConnectionEvent, Subscription, TransportSocket

pytestmark = pytest.mark.anyio

PATIENCE = 60


def provider(port: int, **fields: Any) -> MqttSocketProvider:
    """Make a provider with a name of its own, and with pauses that suit a test."""
    more = {"client_id": f"faults-{secrets.token_hex(4)}", "reconnect_max": 0.5, "publish_timeout": PATIENCE} | fields
    return MqttSocketProvider(MqttConfig(LOOPBACK, port, **more))


@asynccontextmanager
async def subscribed(
    socket: TransportSocket, topic: str, group: str | None = "group", prefetch: int = 100
) -> AsyncIterator[Subscription]:
    """Subscribe, as a member of a group unless told otherwise."""
    spec = SubscriptionSpec(topics=(topic,), group=group, prefetch=prefetch)
    async with socket.subscribe(spec) as subscription:
        yield subscription


class Taker:
    """Takes and acknowledges everything, and counts how often each payload came."""

    def __init__(self) -> None:
        self.counts: dict[bytes, int] = {}
        self.copies = 0
        self._changed = anyio.Event()

    async def take(self, subscription: Subscription) -> None:
        """Take until cancelled."""
        while True:
            for delivery in await subscription.receive_batch(100):
                payload = delivery.message.payload
                self.counts[payload] = self.counts.get(payload, 0) + 1
                self.copies += 1
                await delivery.settle(ACK)
            self._changed.set()
            self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was taken meets a condition."""
        while not condition():
            await self._changed.wait()


async def publish_all(socket: TransportSocket, topic: str, count: int, publishers: int = 100) -> None:
    """Publish so many numbers, many at a time."""
    numbers = iter(range(count))

    async def publish() -> None:
        for number in numbers:
            await socket.publish(SpaMessage(topic=topic, payload=b"%d" % number))

    async with anyio.create_task_group() as tasks:
        for _ in range(publishers):
            tasks.start_soon(publish)


async def test_thirty_cuts_during_thirty_thousand_messages_lose_nothing(mosquitto: Mosquitto, topic: str) -> None:
    """Of 30,000 messages, published and taken over connections that are cut 30 times, all arrive, few of them twice."""
    count, cuts, taker = 30_000, 30, Taker()
    with anyio.fail_after(4 * PATIENCE):
        async with (
            FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy,
            provider(proxy.port).open(lambda _: None) as there,
            subscribed(there, topic) as subscription,
            provider(proxy.port).open(lambda _: None) as here,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(taker.take, subscription)
            tasks.start_soon(publish_all, here, topic, count)
            for cut in range(1, cuts + 1):
                await taker.until(lambda: len(taker.counts) >= count * cut // (cuts + 1))  # noqa: B023
                await proxy.cut()
            await taker.until(lambda: len(taker.counts) >= count)
            tasks.cancel_scope.cancel()

    assert len(taker.counts) == count
    assert taker.copies - count <= count // 50


async def test_a_broker_that_is_away_delays_everything_and_loses_nothing(
    mortal_mosquitto: Mosquitto, topic: str
) -> None:
    """What is published while the broker is away for many attempts arrives when it is back, in order."""
    taker, count = Taker(), 200
    events: list[ConnectionEvent] = []
    with anyio.fail_after(PATIENCE):
        async with (
            FaultProxy(LOOPBACK, mortal_mosquitto.ports.plain) as proxy,
            provider(proxy.port).open(events.append) as socket,
            subscribed(socket, topic) as subscription,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(taker.take, subscription)
            await anyio.to_thread.run_sync(mortal_mosquitto.stop)
            tasks.start_soon(publish_all, socket, topic, count, 1)
            await proxy.wait_for_accepted(proxy.accepted + 12)
            await anyio.to_thread.run_sync(mortal_mosquitto.start)
            await taker.until(lambda: len(taker.counts) >= count)
            tasks.cancel_scope.cancel()

    assert list(taker.counts) == [b"%d" % number for number in range(count)]
    assert [event.state for event in events] == ["connected", "disconnected", "connected", "closed"]
    assert events[1].reason


async def test_a_front_that_accepts_and_closes_is_outlived(mosquitto: Mosquitto, topic: str) -> None:
    """A load balancer without its broker, which accepts and closes, does not make a program deaf or busy."""
    taker = Taker()
    with anyio.fail_after(PATIENCE):
        async with (
            FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy,
            provider(proxy.port).open(lambda _: None) as socket,
            subscribed(socket, topic) as subscription,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(taker.take, subscription)
            proxy.accept_then_close()
            await proxy.cut()
            tasks.start_soon(publish_all, socket, topic, 50)
            await proxy.wait_for_accepted(proxy.accepted + 12)
            proxy.forward()
            await taker.until(lambda: len(taker.counts) == 50)
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("way", ["half-open", "paused"])
async def test_a_silent_broker_is_given_up(mortal_mosquitto: Mosquitto, topic: str, way: str) -> None:
    """A connection on which nothing comes any more, without an end, is noticed by the keepalive and replaced."""
    taker = Taker()
    told = anyio.Event()
    events: list[ConnectionEvent] = []

    def note(event: ConnectionEvent) -> None:
        events.append(event)
        if event.state == "disconnected":
            told.set()

    with anyio.fail_after(PATIENCE):
        async with (
            FaultProxy(LOOPBACK, mortal_mosquitto.ports.plain) as proxy,
            provider(proxy.port, keepalive=1.0).open(note) as socket,
            subscribed(socket, topic) as subscription,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(taker.take, subscription)
            if way == "half-open":
                proxy.half_open()
            else:
                mortal_mosquitto.pause()
            await told.wait()
            if way == "paused":
                mortal_mosquitto.resume()
            await publish_all(socket, topic, 10)
            await taker.until(lambda: len(taker.counts) == 10)
            tasks.cancel_scope.cancel()

    assert "did not answer" in events[1].reason


CONSUMER = """
    import sys
    import anyio
    from spa_core import DistributedApplication, SpaMessage, SpaSocket

    app = DistributedApplication(sys.argv[1])

    @app.application(sys.argv[2], group="plant")
    async def handle(message: SpaMessage, socket: SpaSocket) -> None:
        await socket.check()  # as handlers do, it waits for something
        print(message.payload.decode(), flush=True)
        if message.payload == b"3":
            await anyio.sleep_forever()

    print("begins", flush=True)
    app.start()
"""


async def test_a_killed_consumer_loses_nothing(mosquitto: Mosquitto, topic: str) -> None:
    """Of eight messages whose consumer is killed in its fourth handler, the next life gets the fourth to the eighth."""
    name = f"killed-{secrets.token_hex(4)}"
    url = mosquitto.url(client_id=name)
    before: list[str] = []
    async with provider(mosquitto.ports.plain).open(lambda _: None) as publisher:

        def live_and_die() -> None:
            command = [sys.executable, "-c", textwrap.dedent(CONSUMER), url, topic]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
                assert consumer.stdout is not None
                for line in consumer.stdout:
                    before.append(line.strip())
                    if before[-1] == "begins":
                        anyio.from_thread.run(publish_eight)
                    if before[-1] == "3":
                        consumer.kill()

        async def publish_eight() -> None:
            message = SpaMessage(topic=topic, payload=b"probe")
            while not await publisher.publish(message):
                await anyio.lowlevel.checkpoint()
            for number in range(8):
                await publisher.publish(SpaMessage(topic=topic, payload=b"%d" % number))

        with anyio.fail_after(PATIENCE):
            await anyio.to_thread.run_sync(live_and_die)
            async with (
                provider(mosquitto.ports.plain, client_id=name).open(lambda _: None) as socket,
                subscribed(socket, topic, "plant") as subscription,
            ):
                after: list[bytes] = []
                while len(after) < 5:
                    for delivery in await subscription.receive_batch(10):
                        after.append(delivery.message.payload)
                        await delivery.settle(ACK)

    assert before == ["begins", "probe", "0", "1", "2", "3"]
    assert after == [b"3", b"4", b"5", b"6", b"7"]


async def test_restarts_of_a_consumer_lose_nothing(mosquitto: Mosquitto, topic: str) -> None:
    """Of 1,000 messages that arrive while their consumer is closed and opened again ten times, all are handled."""
    count, taker = 1000, Taker()
    reader = provider(mosquitto.ports.plain)
    with anyio.fail_after(PATIENCE):
        async with provider(mosquitto.ports.plain).open(lambda _: None) as publisher:
            async with reader.open(lambda _: None) as socket, subscribed(socket, topic):
                pass  # so that there is a session to come back to
            async with anyio.create_task_group() as publishing:
                publishing.start_soon(publish_all, publisher, topic, count, 5)
                for life in range(1, 11):
                    async with (
                        reader.open(lambda _: None) as socket,
                        subscribed(socket, topic) as subscription,
                        anyio.create_task_group() as tasks,
                    ):
                        tasks.start_soon(taker.take, subscription)
                        await taker.until(lambda: len(taker.counts) >= count * life // 10)  # noqa: B023
                        await subscription.stop_fetching()
                        tasks.cancel_scope.cancel()

    assert len(taker.counts) == count


async def test_handlers_that_publish_get_through_a_backlog(mosquitto: Mosquitto, topic: str) -> None:
    """An application whose handlers publish at level 1 handles a backlog of 5,000 messages without a deadlock."""
    count, answered = 5000, anyio.Event()
    made = provider(mosquitto.ports.plain)
    kit = Kit(made, seed=0, timeout_multiplier=6)
    handled = 0

    async def handle(message: SpaMessage, socket: SpaSocket) -> None:
        nonlocal handled
        await socket.publish(f"{topic}/out", message.payload)
        handled += 1
        if handled == count:
            answered.set()

    with anyio.fail_after(PATIENCE):
        async with made.open(lambda _: None) as publisher:
            async with subscribed(publisher, topic):
                pass
            await publish_all(publisher, topic, count)
        application = ConsumerApplication(handle, made, topics=topic, group="group", concurrency=50)
        async with running(kit, application):
            await answered.wait()

    assert handled == count


async def test_a_slow_handler_beside_a_fast_one(mosquitto: Mosquitto, topic: str) -> None:
    """While one subscription of a socket settles nothing, another gets 2,000 messages, and keepalives are answered."""
    taker = Taker()
    with anyio.fail_after(PATIENCE):
        async with (
            provider(mosquitto.ports.plain, keepalive=1.0).open(lambda _: None) as socket,
            subscribed(socket, f"{topic}/#", "slow", prefetch=5) as slow,
            subscribed(socket, topic, "fast") as fast,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(taker.take, fast)
            await publish_all(socket, topic, 2000)
            in_hand = await slow.receive_batch(5)
            await taker.until(lambda: len(taker.counts) == 2000)
            for _ in range(3):
                await socket.check()
            assert await in_hand[0].settle(ACK), "the slow subscription's connection is still the same"
            tasks.cancel_scope.cancel()


async def test_processes_of_one_group_share_its_messages(mosquitto: Mosquitto, topic: str) -> None:
    """Three clients in one group, as processes would be, get every message once between them."""
    takers = [Taker() for _ in range(3)]
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            ready: list[int] = []

            async def live(taker: Taker) -> None:
                async with (
                    provider(mosquitto.ports.plain).open(lambda _: None) as socket,
                    subscribed(socket, topic) as subscription,
                    anyio.create_task_group() as taking,
                ):
                    taking.start_soon(taker.take, subscription)
                    ready.append(1)
                    await done.wait()
                    taking.cancel_scope.cancel()

            done = anyio.Event()
            for taker in takers:
                tasks.start_soon(live, taker)
            async with provider(mosquitto.ports.plain).open(lambda _: None) as publisher:
                while len(ready) < 3:
                    await anyio.lowlevel.checkpoint()
                await publish_all(publisher, topic, 300)
                while sum(len(taker.counts) for taker in takers) < 300:
                    await anyio.lowlevel.checkpoint()
            done.set()

    assert sum(taker.copies for taker in takers) == 300
    assert all(taker.counts for taker in takers)


async def test_an_application_without_a_name_that_stops_loses_nothing(mosquitto: Mosquitto, topic: str) -> None:
    """Of two applications in one group, without client ids, one stops in good order: every message is handled, once."""
    handled: list[bytes] = []
    begun = anyio.Event()
    kits = [Kit(provider(mosquitto.ports.plain, client_id=None), seed=0) for _ in range(2)]

    async def handle(message: SpaMessage) -> None:
        begun.set()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        handled.append(message.payload)

    applications = [ConsumerApplication(handle, kit.provider, topics=topic, group="plant") for kit in kits]
    with anyio.fail_after(PATIENCE):
        async with running(kits[0], applications[0]), provider(mosquitto.ports.plain).open(print) as publisher:
            async with running(kits[1], applications[1]) as stopping:
                await publish_all(publisher, topic, 400)
                await begun.wait()
                stopping.stop()
            while len(handled) < 400:
                await anyio.lowlevel.checkpoint()

    assert stopping.ending == "drained"
    assert sorted(map(int, handled)) == list(range(400))
