"""Sockets and subscriptions over the real broker: levels, bounds, copies, sessions and what leaving does."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from brokers.process import LOOPBACK

from spa_core import SpaMessage
from spa_core.errors import EndOfSubscription, MessageTooLargeError, PublishError, QueueFullError, SocketClosedError
from spa_core.testing.proxy import FaultProxy
from spa_core.transport import ACK, Counting, Retry, SubscriptionSpec
from spa_mqtt import MqttConfig, MqttSocketProvider
from spa_mqtt.subscription import MqttSubscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from brokers.mosquitto import Mosquitto

    from spa_core.transport import Delivery, Subscription, TransportSocket

pytestmark = pytest.mark.anyio

PATIENCE = 30


def provider(port: int, **fields: Any) -> MqttSocketProvider:
    """Make a provider with short pauses."""
    return MqttSocketProvider(MqttConfig(LOOPBACK, port, **({"reconnect_max": 0.2} | fields)))


@asynccontextmanager
async def opened(port: int, **fields: Any) -> AsyncIterator[TransportSocket]:
    """Open a socket; all that is done with it is done in time."""
    with anyio.fail_after(PATIENCE):
        async with provider(port, **fields).open(lambda _: None) as socket:
            yield socket


@asynccontextmanager
async def subscribed(
    socket: TransportSocket, *topics: str, group: str | None = None, prefetch: int = 100
) -> AsyncIterator[MqttSubscription]:
    """Subscribe."""
    async with socket.subscribe(SubscriptionSpec(topics=topics, group=group, prefetch=prefetch)) as subscription:
        assert isinstance(subscription, MqttSubscription)
        yield subscription


async def receive(subscription: Subscription, count: int) -> list[Delivery]:
    """Return so many deliveries, not settled."""
    deliveries: list[Delivery] = []
    while len(deliveries) < count:
        deliveries += await subscription.receive_batch(count - len(deliveries))
    return deliveries


async def take(subscription: Subscription, count: int) -> list[SpaMessage]:
    """Return so many messages, each acknowledged before more are asked for."""
    messages: list[SpaMessage] = []
    while len(messages) < count:
        for delivery in await subscription.receive_batch(count - len(messages)):
            await delivery.settle(ACK)
            messages.append(delivery.message)
    return messages


async def rest_of(subscription: Subscription) -> list[bytes]:
    """Return the payloads that a subscription hands out until it ends, each acknowledged."""
    payloads: list[bytes] = []
    try:
        while True:
            payloads += [message.payload for message in await take(subscription, 1)]
    except EndOfSubscription:
        return payloads


def name() -> str:
    """Return a client id that no other test uses."""
    return f"transport-{secrets.token_hex(4)}"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_every_level_arrives_with_its_level(mosquitto: Mosquitto, topic: str, protocol: str) -> None:
    """Messages of level 0, 1 and 2 arrive once each, with the level they were published with."""
    async with (
        opened(mosquitto.ports.plain, qos=2, protocol=protocol) as socket,
        subscribed(socket, topic) as subscription,
    ):
        for level in (0, 1, 2):
            await socket.publish(SpaMessage(topic=topic, payload=b"%d" % level, quality_of_service=level))
        messages = await take(subscription, 3)

    assert sorted((message.payload, message.quality_of_service) for message in messages) == [
        (b"0", 0),
        (b"1", 1),
        (b"2", 2),
    ]


async def test_messages_of_level_2_are_acknowledged_after_their_handler(mosquitto: Mosquitto, topic: str) -> None:
    """Messages of level 2 that were not settled when the connection was cut come again, those that were do not."""
    async with (
        FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy,
        opened(proxy.port, qos=2) as socket,
        subscribed(socket, topic) as subscription,
    ):
        for number in range(30):
            await socket.publish(SpaMessage(topic=topic, payload=b"%02d" % number))
        first = await receive(subscription, 10)
        for delivery in first[:5]:
            await delivery.settle(ACK)
        await socket.check()
        while len(subscription._sources[0]._inflight) > 95:
            await anyio.lowlevel.checkpoint()
        await proxy.cut()
        rest = await take(subscription, 25)

    assert [message.payload for message in rest] == [b"%02d" % number for number in range(5, 30)]


async def test_level_0_fails_fast_without_a_connection(mosquitto: Mosquitto, topic: str) -> None:
    """A message of level 0 is not kept for a connection that is away: publishing it fails at once."""
    async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy, opened(proxy.port, qos=0) as socket:
        await socket.publish(SpaMessage(topic=topic))
        await proxy.refuse()
        await proxy.cut()
        while not proxy.connections and not socket._opened.link._lost.is_set():  # type: ignore[attr-defined]
            await anyio.lowlevel.checkpoint()
        with pytest.raises(PublishError, match="was not sent") as caught:
            await socket.publish(SpaMessage(topic=topic))
        proxy.accept()

    assert (caught.value.topic, caught.value.retriable) == (topic, True)


async def test_the_outbox_is_bounded(mosquitto: Mosquitto, topic: str) -> None:
    """When as many messages wait as the outbox holds, publishing waits, and raises when its time is over."""
    bounds = {"outbox_max": 5, "publish_timeout": 0.1, "drain_timeout": 0.1}
    async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy, opened(proxy.port, **bounds) as socket:
        proxy.stall()
        errors: list[PublishError] = []

        async def publish() -> None:
            try:
                await socket.publish(SpaMessage(topic=topic))
            except PublishError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(publish)
        proxy.resume()

    full = [error for error in errors if isinstance(error, QueueFullError)]
    assert len(errors) == 8
    assert {(error.topic, error.limit, error.queue, error.retriable) for error in full} <= {(topic, 5, "outbox", True)}
    assert all(error.retriable for error in errors)


async def test_the_largest_packet_of_the_broker(make_mosquitto: Callable[..., Mosquitto], topic: str) -> None:
    """What is larger than the broker takes is refused before it is sent, with both sizes; the socket goes on."""
    broker = make_mosquitto("max_packet_size 2000")
    async with opened(broker.ports.plain) as socket, subscribed(socket, topic) as subscription:
        with pytest.raises(MessageTooLargeError, match="2000") as caught:
            await socket.publish(SpaMessage(topic=topic, payload=bytes(2001)))
        await socket.publish(SpaMessage(topic=topic, payload=b"fits"))
        [message] = await take(subscription, 1)

    assert (caught.value.limit, caught.value.topic, message.payload) == (2000, topic, b"fits")


async def test_a_publish_that_waits_ends_with_its_socket(mosquitto: Mosquitto, topic: str) -> None:
    """Publishes that wait for a connection when their socket closes end with ``SocketClosedError``."""
    ended: list[BaseException] = []
    async with (
        FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy,
        anyio.create_task_group() as tasks,
        opened(proxy.port) as socket,
    ):
        await proxy.refuse()
        await proxy.cut()

        async def publish() -> None:
            try:
                await socket.publish(SpaMessage(topic=topic))
            except SocketClosedError as error:
                ended.append(error)

        for _ in range(3):
            tasks.start_soon(publish)
        await anyio.wait_all_tasks_blocked()

    assert len(ended) == 3


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_new"])
async def test_messages_of_level_0_that_are_too_many_are_dropped_and_counted(
    mosquitto: Mosquitto, topic: str, policy: str
) -> None:
    """Level 0 that nobody takes is dropped beyond a bound, the oldest or the newest, and every drop is counted."""
    async with (
        opened(mosquitto.ports.plain, qos=0, overflow=policy) as socket,
        subscribed(socket, topic, prefetch=10) as subscription,
    ):
        for number in range(300):
            await socket.publish(SpaMessage(topic=topic, payload=b"%d" % number))
        while subscription.dropped < 200:
            await anyio.lowlevel.checkpoint()
        messages = [message.payload for message in await take(subscription, 10)]

    assert subscription.dropped == 200
    assert messages[0] == (b"200" if policy == "drop_oldest" else b"0")


async def test_a_subscription_that_takes_nothing_pauses_its_reader(mosquitto: Mosquitto, topic: str) -> None:
    """Level 0 that nobody takes is not piled up here; the connection is alive, and all is there afterwards."""
    async with (
        opened(mosquitto.ports.plain, qos=0) as publisher,
        opened(mosquitto.ports.plain, qos=0) as socket,
        subscribed(socket, topic, prefetch=10) as subscription,
    ):
        for number in range(1000):
            await publisher.publish(SpaMessage(topic=topic, payload=b"%d" % number))
        await publisher.check()
        while not subscription._sources[0]._is_paused:
            await anyio.lowlevel.checkpoint()
        held = len(subscription._arrivals)
        messages = await take(subscription, 1000)

    assert held < 1000
    assert [int(message.payload) for message in messages] == list(range(1000))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_overlapping_filters_give_one_copy(mosquitto: Mosquitto, topic: str, protocol: str) -> None:
    """Filters of one subscription that overlap without covering each other give one copy, whatever the broker sends."""
    filters = (f"{topic}/+/flow", f"{topic}/north/+", f"{topic}/north/flow")
    async with (
        opened(mosquitto.ports.plain, protocol=protocol) as socket,
        subscribed(socket, *filters) as subscription,
    ):
        for end in ("north/flow", "south/flow", "north/level", "north/flow"):
            await socket.publish(SpaMessage(topic=f"{topic}/{end}", payload=end.encode(), headers={"a": "b"}))
        await socket.publish(SpaMessage(topic=f"{topic}/south/flow", payload=b"fence"))
        messages = [message.payload for message in await take(subscription, 5)]

    assert messages == [b"north/flow", b"south/flow", b"north/level", b"north/flow", b"fence"]


async def test_settling_at_once_loses_what_was_not_handled(mosquitto: Mosquitto, topic: str) -> None:
    """With ``ack="on_receive"`` a message counts as done when it came, as the configuration says."""
    named = name()
    async with opened(mosquitto.ports.plain, client_id=named, ack="on_receive") as socket:
        async with subscribed(socket, topic, group="g") as subscription:
            await socket.publish(SpaMessage(topic=topic, payload=b"1"))
            [delivery] = await receive(subscription, 1)
            assert await delivery.settle(ACK)
            await socket.publish(SpaMessage(topic=topic, payload=b"2"))
            await receive(subscription, 1)
        async with subscribed(socket, topic, group="g") as subscription:
            await socket.publish(SpaMessage(topic=topic, payload=b"3"))
            [message] = await take(subscription, 1)

    assert message.payload == b"3"


async def test_a_retry_after_stop_fetching_stays_with_the_broker(mosquitto: Mosquitto, topic: str) -> None:
    """What is given back while an application drains is not handed out any more, and comes to its next life."""
    named = name()
    async with (
        opened(mosquitto.ports.plain, client_id=named) as socket,
        subscribed(socket, topic, group="g") as subscription,
    ):
        await socket.publish(SpaMessage(topic=topic, payload=b"1"))
        [delivery] = await receive(subscription, 1)
        await subscription.stop_fetching()
        assert await delivery.settle(Retry())
    async with (
        opened(mosquitto.ports.plain, client_id=named) as socket,
        subscribed(socket, topic, group="g") as subscription,
    ):
        [again] = await receive(subscription, 1)
        await again.settle(ACK)

    assert (again.message.payload, again.attempt, again.redelivered) == (b"1", 2, True)


async def test_sockets_of_one_name_do_not_fight(mosquitto: Mosquitto, topic: str) -> None:
    """Two sockets of one process with one client id have sessions of their own, and leave each other alone."""
    named = name()
    events: list[str] = []
    made = provider(mosquitto.ports.plain, client_id=named)
    with anyio.fail_after(PATIENCE):
        async with (
            made.open(lambda event: events.append(event.state)) as one,
            made.open(lambda event: events.append(event.state)) as two,
            subscribed(one, topic, group="g") as first,
            subscribed(two, topic, group="g") as second,
        ):
            for number in range(10):
                await one.publish(SpaMessage(topic=topic, payload=b"%d" % number))
            got = [*(await take(first, 5)), *(await take(second, 5))]

    assert sorted(message.payload for message in got) == [b"%d" % number for number in range(10)]
    assert events == ["connected", "connected", "closed", "closed"]


async def test_without_a_group_nothing_is_left_behind(mosquitto: Mosquitto, topic: str) -> None:
    """A subscription without a group leaves no session at the broker when it is left, not even with a client id."""
    async with opened(mosquitto.ports.plain, client_id=name()) as socket:
        async with subscribed(socket, topic):
            heard = await socket.publish(SpaMessage(topic=topic))
        unheard = await socket.publish(SpaMessage(topic=topic))

    assert (heard, unheard) == (True, False)


async def test_an_expired_message_is_not_handed_out(mosquitto: Mosquitto, topic: str) -> None:
    """A message whose time ends while it waits here is dropped, counted and acknowledged."""
    async with opened(mosquitto.ports.plain) as socket, subscribed(socket, topic, prefetch=1) as subscription:
        await socket.publish(SpaMessage(topic=topic, payload=b"in hand"))
        await socket.publish(SpaMessage(topic=topic, payload=b"later"))
        [delivery] = await receive(subscription, 1)
        await delivery.settle(ACK)
        while not subscription._arrivals:
            await anyio.lowlevel.checkpoint()
        for item in subscription._arrivals._new:
            item.expires = 0.0
        await socket.publish(SpaMessage(topic=topic, payload=b"fence"))
        [message] = await take(subscription, 1)

    assert (message.payload, subscription.expired) == (b"fence", 1)


async def test_a_will_is_published_for_a_client_that_vanishes(mosquitto: Mosquitto, topic: str) -> None:
    """The configured last will reaches others when the client vanishes, and does not when it closes in good order."""
    will = {"will_topic": topic, "will_payload": "gone", "keepalive": 1.0}
    async with opened(mosquitto.ports.plain) as socket, subscribed(socket, topic) as subscription:
        async with opened(mosquitto.ports.plain, **will):
            pass
        async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy, opened(proxy.port, **will):
            await proxy.refuse()
            await proxy.cut()
            [message] = await take(subscription, 1)
        await socket.publish(SpaMessage(topic=topic, payload=b"fence"))
        [fence] = await take(subscription, 1)

    assert (message.payload, fence.payload) == (b"gone", b"fence")


async def test_readers_of_3_1_1_understand_writers_of_5_with_the_envelope(mosquitto: Mosquitto, topic: str) -> None:
    """With ``envelope="always"`` headers reach readers that speak MQTT 3.1.1, to which brokers send no properties."""
    async with (
        opened(mosquitto.ports.plain, protocol="5", envelope="always") as writer,
        opened(mosquitto.ports.plain, protocol="3.1.1") as reader,
        subscribed(reader, topic) as subscription,
    ):
        sent = SpaMessage(topic=topic, payload=b"body", content_type="text/plain", headers={"unit": "m3"}, key=b"k")
        await writer.publish(sent)
        [message] = await take(subscription, 1)

    assert message == sent.replace(quality_of_service=1)


async def test_members_that_leave_together_lose_nothing(mosquitto: Mosquitto, topic: str) -> None:
    """When all members of a group on a socket leave at once, each session keeps what its member did not finish."""
    named = name()
    sent = {b"%d" % number for number in range(20)}
    async with opened(mosquitto.ports.plain, client_id=named) as socket, anyio.create_task_group() as tasks:
        leave, ready = anyio.Event(), list[int]()

        async def hold() -> None:
            async with subscribed(socket, topic, group="g") as subscription:
                ready.append(1)
                await receive(subscription, 1)
                await leave.wait()

        for _ in range(3):
            tasks.start_soon(hold)
        while len(ready) < 3:
            await anyio.lowlevel.checkpoint()
        for payload in sorted(sent):
            await socket.publish(SpaMessage(topic=topic, payload=payload))
        leave.set()
    async with (
        opened(mosquitto.ports.plain, client_id=named) as socket,
        subscribed(socket, topic, group="g") as one,
        subscribed(socket, topic, group="g") as two,
        subscribed(socket, topic, group="g") as three,
        anyio.create_task_group() as tasks,
    ):
        got: set[bytes] = set()

        async def collect(subscription: Subscription) -> None:
            while True:
                got.update(message.payload for message in await take(subscription, 1))

        for each in (one, two, three):
            tasks.start_soon(collect, each)
        while got != sent:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def test_what_a_member_leaves_ends_with_its_last_message(mosquitto: Mosquitto, topic: str) -> None:
    """A member that leaves gives what it had to one that stays, and its connection ends when that is settled."""
    async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy, opened(proxy.port) as socket:
        async with subscribed(socket, topic, group="g") as staying:
            async with subscribed(socket, topic, group="g") as leaving:
                for number in range(10):
                    await socket.publish(SpaMessage(topic=topic, payload=b"%d" % number))
                mine, others = await receive(staying, 5), await receive(leaving, 5)
            assert proxy.connections == 3
            assert not await others[0].settle(ACK)
            inherited = await receive(staying, 5)
            assert [delivery.attempt for delivery in inherited] == [2] * 5
            for delivery in (*mine, *inherited):
                assert await delivery.settle(ACK)
            while proxy.connections > 2:
                await anyio.lowlevel.checkpoint()
        while proxy.connections > 1:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("fast_path", ["auto", "off"])
async def test_a_paused_connection_stays_alive(mosquitto: Mosquitto, topic: str, fast_path: str) -> None:
    """A reader that is paused for longer than the keepalive, with the broker's answers behind a backlog, is not cut."""
    events: list[str] = []
    async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy, opened(mosquitto.ports.plain, qos=0) as publisher:
        made = provider(proxy.port, qos=0, keepalive=1.0, fast_path=fast_path)
        with anyio.fail_after(PATIENCE):
            async with (
                made.open(lambda event: events.append(event.state)) as socket,
                subscribed(socket, topic, prefetch=1) as subscription,
            ):
                for _ in range(2000):
                    await publisher.publish(SpaMessage(topic=topic, payload=bytes(1000)))
                while not subscription._sources[0]._is_paused:
                    await anyio.lowlevel.checkpoint()
                # Both connections ask the broker for a sign of life once a second, in two bytes.
                until = proxy.bytes_to_broker + 2 * 2 * 4
                while proxy.bytes_to_broker < until:
                    await anyio.lowlevel.checkpoint()
                await take(subscription, 500)

    assert events == ["connected", "closed"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_nameless_member_that_drains_loses_nothing(mosquitto: Mosquitto, topic: str, protocol: str) -> None:
    """A member whose broker takes nothing back gets nothing new when it drains, and hands out what it was sent."""
    count, got, drained = 400, list[bytes](), list[bytes]()
    async with (
        opened(mosquitto.ports.plain, protocol=protocol) as one,
        opened(mosquitto.ports.plain, protocol=protocol) as two,
        subscribed(two, topic, group="g") as staying,
        anyio.create_task_group() as tasks,
    ):
        published = anyio.Event()

        async def take_all() -> None:
            while True:
                got.extend(message.payload for message in await take(staying, 1))

        async def drain() -> None:
            async with subscribed(one, topic, group="g") as leaving:
                ready.set()
                got.extend(message.payload for message in await take(leaving, 10))
                await published.wait()
                await leaving.stop_fetching()
                drained.extend(await rest_of(leaving))
                got.extend(drained)

        ready = anyio.Event()
        tasks.start_soon(take_all)
        tasks.start_soon(drain)
        await ready.wait()
        for number in range(count):
            await two.publish(SpaMessage(topic=topic, payload=b"%d" % number))
        published.set()
        while len(set(got)) < count:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    assert sorted(map(int, got)) == list(range(count))
    assert drained


async def test_a_nameless_member_drains_over_a_lost_connection(mosquitto: Mosquitto, topic: str) -> None:
    """A member that drains when its connection is lost hands out what it was sent when it is back, and ends."""
    async with (
        FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy,
        opened(mosquitto.ports.plain) as publisher,
        opened(proxy.port) as socket,
        subscribed(socket, topic, group="g") as subscription,
    ):
        for number in range(30):
            await publisher.publish(SpaMessage(topic=topic, payload=b"%d" % number))
        await receive(subscription, 5)
        await proxy.cut()
        await subscription.stop_fetching()
        got = set(await rest_of(subscription))
        heard = await publisher.publish(SpaMessage(topic=topic))

    assert got == {b"%d" % number for number in range(30)}
    assert heard is False


async def test_a_message_put_aside_is_no_obstacle_to_draining(mosquitto: Mosquitto, topic: str) -> None:
    """What is given back with a delay while a nameless member drains is handed out when it is due, before the end."""
    async with opened(mosquitto.ports.plain) as socket, subscribed(socket, topic, group="g") as subscription:
        await socket.publish(SpaMessage(topic=topic, payload=b"again"))
        [delivery] = await receive(subscription, 1)
        await subscription.stop_fetching()
        assert await delivery.settle(Retry(delay=0.02))
        [message] = await take(subscription, 1)
        with pytest.raises(EndOfSubscription):
            await subscription.receive_batch(1)

    assert message.payload == b"again"


async def test_counters_only_rise(mosquitto: Mosquitto, topic: str) -> None:
    """A socket counts what it dropped and which connections it lost, those of subscriptions that were left included."""
    with anyio.fail_after(PATIENCE):
        async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy:
            events: list[str] = []
            socket = provider(proxy.port, qos=0, overflow="drop_new").open(lambda event: events.append(event.state))
            assert isinstance(socket, Counting)
            seen = [socket.counters]
            async with socket:
                async with subscribed(socket, topic, prefetch=10) as subscription:
                    for _ in range(150):
                        await socket.publish(SpaMessage(topic=topic))
                    while subscription.dropped < 50:
                        await anyio.lowlevel.checkpoint()
                    seen.append(socket.counters)
                await proxy.cut()
                while events != ["connected", "disconnected", "connected"]:
                    await anyio.lowlevel.checkpoint()
                seen.append(socket.counters)
            seen.append(socket.counters)

    assert [counters["dropped"] for counters in seen] == [0, 50, 50, 50]
    assert [counters["lost connections"] for counters in seen] == [0, 0, 1, 1]
    assert {tuple(counters) for counters in seen} == {("dropped", "expired", "lost connections")}


async def test_a_delayed_retry_that_stops_everything_is_warned_of(
    mosquitto: Mosquitto, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """When everything waits for one delayed retry, because acknowledgements are in order, the log says so, once."""
    async with opened(mosquitto.ports.plain) as socket, subscribed(socket, topic, prefetch=5) as subscription:
        for number in range(5):
            await socket.publish(SpaMessage(topic=topic, payload=b"%d" % number))
        first, *rest = await receive(subscription, 5)
        await first.settle(Retry(delay=3600.0))
        for delivery in rest:
            await delivery.settle(ACK)

    [record] = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "spa_mqtt.window")
    assert repr(topic) in record.getMessage()
    assert "3600 s" in record.getMessage()


@pytest.mark.parametrize(
    ("fields", "group", "seconds"),
    [
        ({}, None, 300),
        ({}, "g", 15),
        ({"session_expiry": 60.0}, "g", 60),
        ({"session_expiry": 5.0}, "g", 5),
        ({"client_id": "detector"}, "g", 3600),
        ({"client_id": "detector"}, None, 3600),
    ],
)
async def test_sessions_last_as_long_as_somebody_can_come_back(
    fields: dict[str, Any], group: str | None, seconds: int
) -> None:
    """A nameless member's session is short: nobody else gets what the broker keeps in it for one that crashed."""
    spec = SubscriptionSpec(topics=("a",), group=group)
    subscription = MqttSubscription(MqttConfig(**fields), spec, tls=None, on_change=lambda _link, _reason: None)
    source = subscription._sources[0]
    await source.close()

    assert source.link._settings().session_expiry == seconds
