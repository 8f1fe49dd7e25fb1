"""SPA beside programs that know nothing of it: plain aiokafka clients at the same broker."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from spa_core import SpaMessage
from spa_kafka import TOMBSTONE, KafkaConfig, KafkaSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from spa_core import SpaSocket

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds until a test that waits for what never happens fails


class PlainClient:
    """A producer and a consumer, as any Python program has them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.producer = AIOKafkaProducer(bootstrap_servers=address)

    async def send(self, topic: str, value: bytes | None, *headers: tuple[str, bytes], **options: Any) -> None:
        """Write one record."""
        await self.producer.send_and_wait(topic, value, headers=list(headers), **options)

    async def read(self, topic: str, count: int = 1) -> list[Any]:
        """Return the first records of a topic's first partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.address, enable_auto_commit=False)
        try:
            await consumer.start()
            consumer.assign([TopicPartition(topic, 0)])
            await consumer.seek_to_beginning()
            return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    async def answer(self, topic: str, copied: dict[str, str]) -> None:
        """Answer the first record of a topic where it says, with headers copied from it under other names."""
        [request] = await self.read(topic)
        headers = dict(request.headers)
        kept = [(name, headers[source]) for name, source in copied.items()]
        await self.send(headers["spa-reply-to"].decode(), b"re: " + request.value, *kept)


@pytest.fixture
async def plain(kafka_address: str) -> AsyncIterator[PlainClient]:
    """A plain client."""
    client = PlainClient(kafka_address)
    await client.producer.start()
    try:
        yield client
    finally:
        await client.producer.stop()


@pytest.fixture
async def socket(kafka_address: str) -> AsyncIterator[SpaSocket]:
    """SPA's own socket."""
    async with KafkaSocketProvider(KafkaConfig(kafka_address)).create_socket() as opened:
        yield opened


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Fail what takes too long."""
    with anyio.fail_after(PATIENCE):
        yield


async def first(socket: SpaSocket, count: int = 1) -> list[SpaMessage]:
    """Return the next messages of a socket's subscriptions."""
    messages = []
    async for message in socket:
        messages.append(message)
        if len(messages) == count:
            break
    return messages


@pytest.mark.parametrize(
    ("correlation", "copied"),
    [
        (None, {"spa-correlation-id": "spa-correlation-id"}),
        ("my own", {"spa-topic": "spa-response-topic"}),
    ],
)
async def test_a_plain_client_answers(
    plain: PlainClient,
    socket: SpaSocket,
    create_topic: Callable[..., Awaitable[None]],
    topic_name: str,
    *,
    correlation: str | None,
    copied: dict[str, str],
) -> None:
    """A request finds the answer of a plain client that copies one header."""
    await create_topic(topic_name)
    async with in_time(), anyio.create_task_group() as tasks:
        tasks.start_soon(plain.answer, topic_name, copied)
        reply = await socket.request(topic_name, b"?", correlation_id=correlation, timeout=PATIENCE)

    assert reply.payload == b"re: ?"


async def test_a_plain_client_asks(
    plain: PlainClient, socket: SpaSocket, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """The answer to a plain client's request is published to the topic it names, word for word."""
    answers = f"{topic_name}.answers_here"
    await create_topic(topic_name)
    await create_topic(answers)
    async with in_time():
        await socket.subscribe(topic_name)
        await plain.send(topic_name, b"?", ("spa-reply-to", answers.encode()), ("spa-correlation-id", b"42"))
        [request] = await first(socket)
        await socket.reply(request, b"!")
        [answer] = await plain.read(answers)

    assert (request.response_topic, answer.value) == (answers, b"!")
    assert ("spa-correlation-id", b"42") in answer.headers


async def test_existing_names_keep_their_dots(
    plain: PlainClient, socket: SpaSocket, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """What a plain client writes to a name with dots arrives under that name, or under levels if a wildcard took it."""
    await create_topic(f"{topic_name}.eu")
    await create_topic(f"{topic_name}.us")
    async with in_time():
        await socket.subscribe([f"{topic_name}.eu", f"{topic_name}/+"])
        await plain.send(f"{topic_name}.eu", b"1")
        await plain.send(f"{topic_name}.us", b"2")
        messages = await first(socket, 2)

    assert {message.payload: message.topic for message in messages} == {
        b"1": f"{topic_name}.eu",
        b"2": f"{topic_name}/us",
    }


async def test_bytes_that_are_no_text_are_kept(
    plain: PlainClient, socket: SpaSocket, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """A foreign record with bytes in its headers is handed out, and published again as it was."""
    there, back = f"{topic_name}.there", f"{topic_name}.back"
    await create_topic(there)
    await create_topic(back)
    async with in_time():
        await socket.subscribe(there)
        await plain.send(there, b"\xff\x00", ("raw", b"\xff\xfe"), ("spa-expires", b"soon"), key=b"\xff")
        [message] = await first(socket)
        await socket.publish(message.replace(topic=back))
        [record] = await plain.read(back)

    assert (record.key, record.value) == (b"\xff", b"\xff\x00")
    assert ("raw", b"\xff\xfe") in record.headers


async def test_keys_are_deleted(
    plain: PlainClient, socket: SpaSocket, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """A message that stands for a deletion is a record without a value to others, and theirs is one to us."""
    await create_topic(topic_name, **{"cleanup.policy": "compact"})
    async with in_time():
        await socket.subscribe(topic_name)
        await socket.publish(SpaMessage(topic=topic_name, key=b"k", headers={TOMBSTONE: ""}))
        await plain.send(topic_name, None, key=b"k")
        ours, theirs = await first(socket, 2)
        record, _ = await plain.read(topic_name, 2)

    assert (record.key, record.value) == (b"k", None)
    for message in (ours, theirs):
        assert (message.key, message.payload, TOMBSTONE in message.headers) == (b"k", b"", True)


async def test_messages_of_last_year_are_kept(
    plain: PlainClient, socket: SpaSocket, create_topic: Callable[..., Awaitable[None]], topic_name: str
) -> None:
    """A message with an old time is stamped with the present one, so that no broker deletes it for its age."""
    await create_topic(topic_name)
    async with in_time():
        await socket.subscribe(topic_name)
        await socket.publish(SpaMessage(topic=topic_name, payload=b"old", timestamp=1_234_567_890.123))
        [message] = await first(socket)
        [record] = await plain.read(topic_name)

    assert message.timestamp == 1_234_567_890.123
    assert abs(record.timestamp / 1000 - time.time()) < PATIENCE
