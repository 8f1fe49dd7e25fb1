"""How records get to the broker: in order, in batches, each publisher told the truth about its own."""

from __future__ import annotations

import asyncio
import types
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spa_core import SpaMessage
from spa_core.errors import (
    MessageTooLargeError,
    PublishError,
    PublishRefusedError,
    QueueFullError,
    SocketClosedError,
)
from spa_core.testing.proxy import FaultProxy
from spa_core.transport import ACK, SubscriptionSpec
from spa_kafka import TOMBSTONE, KafkaConfig, KafkaSocket, KafkaSocketProvider
from spa_kafka.client import AdminLink
from spa_kafka.producer import Producer
from spa_kafka.wire import to_record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator

    from brokers.kafka import KafkaBroker

    from spa_core.transport import ConnectionEvent
    from spa_kafka.subscription import KafkaSubscription

pytestmark = pytest.mark.anyio


def make_provider(address: str, **fields: Any) -> KafkaSocketProvider:
    """Make a provider whose groups begin with the oldest message."""
    return KafkaSocketProvider(KafkaConfig(address, start_from="earliest", **fields))


@asynccontextmanager
async def opened(address: str, **fields: Any) -> AsyncGenerator[KafkaSocket]:
    """Open a socket."""

    def ignore(event: ConnectionEvent) -> None:
        """Hear of a change and do nothing."""

    async with make_provider(address, **fields).open(ignore) as socket:
        yield socket


@asynccontextmanager
async def reading(socket: KafkaSocket, topic: str) -> AsyncGenerator[KafkaSubscription]:
    """Read a topic from its beginning, in a group of its own."""
    spec = SubscriptionSpec(topics=(topic,), group=f"readers of {topic}")
    async with socket.subscribe(spec) as subscription:
        yield subscription


async def take(subscription: KafkaSubscription, count: int) -> list[SpaMessage]:
    """Return exactly so many messages."""
    messages: list[SpaMessage] = []
    with anyio.fail_after(30):
        while len(messages) < count:
            for delivery in await subscription.receive_batch(count - len(messages)):
                await delivery.settle(ACK)
                messages.append(delivery.message)
    return messages


async def test_a_thousand_publishers_keep_their_order(kafka_address: str, topic_name: str) -> None:
    """A thousand tasks publish at once, each with a key: all arrive, each key in order, in far fewer batches."""

    async def publish(key: int) -> None:
        for number in range(5):
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number, key=b"%d" % key))

    async with opened(kafka_address, partitions=4) as socket:
        async with anyio.create_task_group() as tasks:
            for key in range(1000):
                tasks.start_soon(publish, key)
        async with reading(socket, topic_name) as subscription:
            messages = await take(subscription, 5000)
    numbers: dict[bytes | None, list[int]] = {}
    for message in messages:
        numbers.setdefault(message.key, []).append(int(message.payload))

    assert len(numbers) == 1000
    assert all(each == [0, 1, 2, 3, 4] for each in numbers.values())


async def test_records_without_a_key_go_everywhere(kafka_address: str, topic_name: str) -> None:
    """Messages without a key, published one by one, do not all go to one partition."""
    async with opened(kafka_address, partitions=4) as socket:
        for number in range(12):
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number))
        async with reading(socket, topic_name) as subscription:
            with anyio.fail_after(30):
                partitions: list[int] = []
                while len(partitions) < 12:
                    batch = await subscription.receive_batch(12)
                    partitions += [delivery.native.partition for delivery in batch]

    assert set(partitions) == {0, 1, 2, 3}


async def test_a_publish_cancelled_before_it_is_sent_is_withdrawn(kafka_broker: KafkaBroker, topic_name: str) -> None:
    """While a batch is under way those that wait behind it can be cancelled, and are never sent."""
    host, _, port = kafka_broker.proxied.rpartition(":")
    async with FaultProxy(host, int(port), listen=kafka_broker.proxy_port) as proxy:
        address = f"{proxy.host}:{proxy.port}"
        async with opened(address, partitions=1) as socket:
            await socket.publish(SpaMessage(topic=topic_name, payload=b"first"))
            proxy.stall()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(socket.publish, SpaMessage(topic=topic_name, payload=b"under way"))
                await _some_turns()
                with anyio.CancelScope() as withdrawn:
                    async with anyio.create_task_group() as waiting:
                        waiting.start_soon(socket.publish, SpaMessage(topic=topic_name, payload=b"withdrawn"))
                        await _some_turns()
                        withdrawn.cancel()
                proxy.forward()
            await socket.publish(SpaMessage(topic=topic_name, payload=b"last"))
            async with reading(socket, topic_name) as subscription:
                payloads = [message.payload for message in await take(subscription, 3)]

    assert payloads == [b"first", b"under way", b"last"]


async def test_too_many_waiting_messages_are_refused() -> None:
    """When as many messages as allowed wait, and go on waiting, a publish raises ``QueueFullError``."""
    config = KafkaConfig(outbox_max=2, publish_timeout=0.05)
    cluster: Any = SimpleNamespace(topics={"pumps": 1}, watchers=set())
    producer = Producer(config, {}, cluster)
    producer._waiting = 2
    with pytest.raises(QueueFullError) as caught:
        await producer.publish("pumps", to_record(SpaMessage(topic="pumps"), 0))

    assert (caught.value.topic, caught.value.limit, caught.value.retriable) == ("pumps", 2, True)


async def test_room_is_given_to_those_who_wait(kafka_address: str, topic_name: str) -> None:
    """A hundred publishers through an outbox of three all get through, alone or with a batch larger than the outbox."""
    async with opened(kafka_address, outbox_max=3, partitions=1) as socket:
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(socket.publish, SpaMessage(topic=topic_name, payload=b"%d" % number))
        await socket.publish_many([SpaMessage(topic=topic_name, payload=b"%d" % number) for number in range(100, 200)])
        async with reading(socket, topic_name) as subscription:
            payloads = [int(message.payload) for message in await take(subscription, 200)]

    assert sorted(payloads) == list(range(200))
    assert payloads[100:] == list(range(100, 200))


async def test_each_place_wakes_one_of_those_who_wait(kafka_address: str, topic_name: str) -> None:
    """However many publishes wait for room, each is woken a few times, and they are sent in the order of asking."""
    turns = 0

    @types.coroutine
    def counted(publishing: Coroutine[Any, None, Any]) -> Generator[Any, None, None]:
        nonlocal turns
        with suppress(StopIteration):
            while True:
                turns += 1
                yield publishing.send(None)

    async def publish(number: int) -> None:
        await counted(socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number)))

    async with opened(kafka_address, outbox_max=1, partitions=1) as socket:
        await socket.publish(SpaMessage(topic=topic_name, payload=b"0"))
        async with anyio.create_task_group() as tasks:
            for number in range(1, 300):
                tasks.start_soon(publish, number)
        async with reading(socket, topic_name) as subscription:
            payloads = [int(message.payload) for message in await take(subscription, 300)]

    assert turns <= 300 * 4
    assert payloads == list(range(300))


async def test_a_publish_that_gives_up_waiting_hands_its_turn_on() -> None:
    """Who is cancelled while its turn comes keeps nobody behind it from publishing."""
    cluster: Any = SimpleNamespace(topics={"pumps": 1}, watchers=set())
    producer = Producer(KafkaConfig(outbox_max=1), {}, cluster)
    producer._waiting = 1
    first, second = (asyncio.create_task(producer._wait_for_room("pumps")) for _ in range(2))
    await _some_turns()
    producer._waiting = 0
    producer._admit()
    first.cancel()
    with anyio.fail_after(10):
        await second

    assert first.cancelled()
    assert not producer._outside


async def test_what_is_not_confirmed_in_time_is_told_of(kafka_broker: KafkaBroker, topic_name: str) -> None:
    """While the broker is silent a publish fails after its time and says that nobody knows; so do those behind it."""
    host, _, port = kafka_broker.proxied.rpartition(":")
    errors: list[PublishError] = []

    async def publish(number: int) -> None:
        try:
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number))
        except PublishError as error:
            errors.append(error)

    async with FaultProxy(host, int(port), listen=kafka_broker.proxy_port) as proxy:
        address = f"{proxy.host}:{proxy.port}"
        async with opened(address, partitions=1, publish_timeout=0.5) as socket:
            await publish(0)
            proxy.stall()
            async with anyio.create_task_group() as tasks:
                for number in range(1, 6):
                    tasks.start_soon(publish, number)
                    await _some_turns()
            proxy.forward()

    assert len(errors) == 5
    assert "not known whether" in str(errors[0])
    assert errors[0].hint == "It may have been written all the same"


async def test_a_message_that_is_too_large_spoils_no_other(
    kafka_address: str, topic_name: str, create_topic: Callable[..., Awaitable[None]]
) -> None:
    """A broker that takes no large batch gets smaller ones; one large message is refused, those beside it arrive."""
    await create_topic(topic_name, **{"max.message.bytes": "2000"})
    outcomes: dict[int, str] = {}

    async def publish(number: int, size: int) -> None:
        try:
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d " % number + bytes(size)))
        except MessageTooLargeError as error:
            outcomes[number] = f"{error.size} of {error.limit}"
        else:
            outcomes[number] = "accepted"

    async with opened(kafka_address, max_payload=100_000) as socket:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(publish, number, 5000 if number == 7 else 500)
        async with reading(socket, topic_name) as subscription:
            messages = await take(subscription, 19)

    assert outcomes == {number: "5002 of 100000" if number == 7 else "accepted" for number in range(20)}
    assert {int(message.payload.split()[0]) for message in messages} == set(range(20)) - {7}


async def test_a_missing_topic_is_refused(kafka_address: str, topic_name: str) -> None:
    """With ``declare_topics=validate`` a publish to a topic that does not exist is refused at once, and makes none."""
    async with opened(kafka_address, declare_topics="validate") as socket:
        with anyio.fail_after(5), pytest.raises(PublishRefusedError) as caught:
            await socket.publish(SpaMessage(topic=topic_name))
        with pytest.raises(PublishRefusedError):
            await socket.publish_many([SpaMessage(topic=topic_name)])

    assert (caught.value.topic, caught.value.retriable) == (topic_name, False)
    assert "does not exist" in caught.value.reason


async def test_a_topic_deleted_meanwhile_is_refused(kafka_address: str, topic_name: str) -> None:
    """A publish to a topic that was deleted since the last one ends with an error soon; other topics go on."""
    async with opened(kafka_address, discover_interval=60.0) as socket:
        await socket.publish(SpaMessage(topic=topic_name))
        admin = AdminLink({"bootstrap_servers": [kafka_address]}, on_broken=lambda reason: None)  # noqa: ARG005
        await admin.start()
        await admin.delete(topic_name)
        await admin.stop()
        with anyio.fail_after(10), pytest.raises(PublishError):
            await socket.publish(SpaMessage(topic=topic_name))
        with anyio.fail_after(10):
            await socket.publish(SpaMessage(topic=f"{topic_name}-other"))


async def test_tombstones_and_their_keys(kafka_address: str, topic_name: str) -> None:
    """A message marked as a tombstone is stored without a value, and arrives marked."""
    async with opened(kafka_address) as socket:
        await socket.publish(SpaMessage(topic=topic_name, key=b"gone", headers={TOMBSTONE: ""}))
        async with reading(socket, topic_name) as subscription:
            with anyio.fail_after(30):
                [delivery] = await subscription.receive_batch(1)

    assert delivery.native.value is None
    assert (delivery.message.key, delivery.message.payload, TOMBSTONE in delivery.message.headers) == (
        b"gone",
        b"",
        True,
    )


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_compression(kafka_address: str, topic_name: str, compression: str) -> None:
    """Batches arrive whole with each compression."""
    messages = [SpaMessage(topic=topic_name, payload=b"%d " % number * 100, key=b"k") for number in range(50)]
    async with opened(kafka_address, compression=compression) as socket:
        await socket.publish_many(messages)
        async with reading(socket, topic_name) as subscription:
            payloads = [message.payload for message in await take(subscription, 50)]

    assert payloads == [message.payload for message in messages]


@pytest.mark.parametrize(("acks", "idempotence"), [("all", "on"), ("all", "off"), (1, "auto"), (0, "auto")])
async def test_every_confirmation(kafka_address: str, topic_name: str, acks: object, idempotence: str) -> None:
    """Messages arrive in order whatever is waited for, with and without idempotence."""
    async with opened(kafka_address, acks=acks, idempotence=idempotence) as socket:
        for number in range(20):
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number, key=b"k"))
        async with reading(socket, topic_name) as subscription:
            payloads = [int(message.payload) for message in await take(subscription, 20)]

    assert payloads == list(range(20))


async def test_closing_tells_those_who_wait(kafka_broker: KafkaBroker, topic_name: str) -> None:
    """Whoever publishes when the socket closes, and cannot be helped any more, is told: none waits for ever."""
    host, _, port = kafka_broker.proxied.rpartition(":")
    told: list[PublishError | SocketClosedError] = []

    async def publish(socket: KafkaSocket, number: int) -> None:
        try:
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number))
        except (PublishError, SocketClosedError) as error:
            told.append(error)

    async with (
        FaultProxy(host, int(port), listen=kafka_broker.proxy_port) as proxy,
        anyio.create_task_group() as tasks,
        opened(f"{proxy.host}:{proxy.port}", partitions=1) as socket,
    ):
        await publish(socket, 0)
        proxy.stall()
        tasks.start_soon(publish, socket, 1)
        await _some_turns()
        tasks.start_soon(publish, socket, 2)
        await _some_turns()

    assert {type(error) for error in told} == {PublishError, SocketClosedError}


async def _some_turns(turns: int = 50) -> None:
    for _ in range(turns):
        await checkpoint()
