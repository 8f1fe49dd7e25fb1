"""The broker under the other tests is the Kafka they take it for; asked through plain aiokafka."""

from __future__ import annotations

import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidTimestampError, KafkaConnectionError, UnknownTopicOrPartitionError
from brokers.kafka import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from brokers.kafka import KafkaBroker

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def producer(address: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Open a producer, and close it on every way out."""
    client = AIOKafkaProducer(bootstrap_servers=address, **options)
    try:
        with anyio.fail_after(30):
            await client.start()
        yield client
    finally:
        await client.stop()


async def send(address: str, topic: str, value: bytes, **options: Any) -> None:
    """Send one message, confirmed by the broker."""
    async with producer(address, acks="all", **options) as client:
        await client.send_and_wait(topic, value)


async def read_all(address: str, topic: str) -> list[bytes | None]:
    """Return the values of the first partition of *topic*."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    try:
        with anyio.fail_after(30):
            await consumer.start()
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            return [(await consumer.getone(partition)).value for _ in range(end)]
    finally:
        await consumer.stop()


def trusting(broker: KafkaBroker, *, certified: bool = False) -> ssl.SSLContext:
    """Return what verifies the broker, and shows a certificate of its own if *certified*."""
    context = ssl.create_default_context(cafile=broker.certificates.authority)
    if certified:
        context.load_cert_chain(broker.certificates.client)
    return context


async def test_messages_are_stored(
    kafka_address: str, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """What is produced can be consumed."""
    await create_topic(topic_name)
    await send(kafka_address, topic_name, b"one")

    assert await read_all(kafka_address, topic_name) == [b"one"]


async def test_no_topic_appears_by_itself(kafka_broker: KafkaBroker, topic_name: str) -> None:
    """Producing to a topic that nobody made is an error, not a new topic."""
    with pytest.raises(UnknownTopicOrPartitionError):
        await send(kafka_broker.plaintext, topic_name, b"lost", request_timeout_ms=500)


async def test_names_that_differ_in_a_dot_only(
    kafka_broker: KafkaBroker, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """Kafka refuses a topic whose name is another's but for a dot where that has an underscore."""
    await create_topic(f"{topic_name}.a", address=kafka_broker.plaintext)

    with pytest.raises(AssertionError, match="collides with existing topic"):
        await create_topic(f"{topic_name}_a", address=kafka_broker.plaintext)


async def test_timestamps_of_the_future(
    kafka_broker: KafkaBroker, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """Kafka refuses a record that is stamped more than an hour ahead, and takes one that is stamped long ago."""
    await create_topic(topic_name, address=kafka_broker.plaintext)
    now = time.time_ns() // 1_000_000
    async with producer(kafka_broker.plaintext) as client:
        await client.send_and_wait(topic_name, b"old", timestamp_ms=1)
        await client.send_and_wait(topic_name, b"new", timestamp_ms=now + 3_500_000)
        with pytest.raises(InvalidTimestampError):
            await client.send_and_wait(topic_name, b"newest", timestamp_ms=now + 3_700_000)

    assert await read_all(kafka_broker.plaintext, topic_name) == [b"old", b"new"]


async def test_tls(kafka_broker: KafkaBroker, create_topic: Callable[..., Awaitable[None]], topic_name: str) -> None:
    """The TLS listener proves who it is by the tests' own authority."""
    await create_topic(topic_name, address=kafka_broker.plaintext)
    context = trusting(kafka_broker)
    await send(kafka_broker.ssl, topic_name, b"one", security_protocol="SSL", ssl_context=context)

    assert await read_all(kafka_broker.plaintext, topic_name) == [b"one"]


async def test_mutual_tls(
    kafka_broker: KafkaBroker, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """The listener for mutual TLS takes clients with a certificate and no others."""
    await create_topic(topic_name, address=kafka_broker.plaintext)
    context = trusting(kafka_broker, certified=True)
    await send(kafka_broker.mutual_tls, topic_name, b"one", security_protocol="SSL", ssl_context=context)

    assert await read_all(kafka_broker.plaintext, topic_name) == [b"one"]
    with pytest.raises(KafkaConnectionError):
        await send(
            kafka_broker.mutual_tls, topic_name, b"two", security_protocol="SSL", ssl_context=trusting(kafka_broker)
        )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_sasl(
    kafka_broker: KafkaBroker, create_topic: Callable[..., Awaitable[None]], topic_name: str, mechanism: str
) -> None:
    """The SASL listeners, with and without TLS, know one user by each mechanism, and refuse a wrong password."""
    await create_topic(topic_name, address=kafka_broker.plaintext)
    sasl = {"sasl_mechanism": mechanism, "sasl_plain_username": USER}
    over_tls = {"security_protocol": "SASL_SSL", "ssl_context": trusting(kafka_broker), **sasl}
    bare = {"security_protocol": "SASL_PLAINTEXT", **sasl}
    await send(kafka_broker.sasl, topic_name, b"one", sasl_plain_password=PASSWORD, **bare)
    await send(kafka_broker.sasl_ssl, topic_name, b"two", sasl_plain_password=PASSWORD, **over_tls)

    assert await read_all(kafka_broker.plaintext, topic_name) == [b"one", b"two"]
    with pytest.raises(KafkaConnectionError):
        await send(kafka_broker.sasl, topic_name, b"three", sasl_plain_password="wrong", **bare)


async def test_what_is_stored_survives(
    mortal_broker: KafkaBroker, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """A broker that was restarted, or killed and started, has what it had, at the same address."""
    address = mortal_broker.plaintext
    await create_topic(topic_name, address=address)
    await send(address, topic_name, b"one")
    await anyio.to_thread.run_sync(mortal_broker.restart)
    await send(address, topic_name, b"two")
    mortal_broker.kill()
    with pytest.raises(KafkaConnectionError):
        await send(address, topic_name, b"to nobody")
    await anyio.to_thread.run_sync(mortal_broker.start)

    assert await read_all(address, topic_name) == [b"one", b"two"]
