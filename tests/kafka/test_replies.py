"""The topics that replies come back on: made for the socket that asks, in time, and deleted again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from anyio.lowlevel import checkpoint

from spa_core import SpaMessage
from spa_core.envelopes import SpaDatEnvelope
from spa_kafka import KafkaConfig, KafkaSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from brokers.kafka import KafkaBroker

    from spa_core import SpaSocket

pytestmark = pytest.mark.anyio

PATIENCE = 60.0  # seconds until a test that waits for what never happens fails


@asynccontextmanager
async def asking(provider: KafkaSocketProvider, topic: str) -> AsyncIterator[SpaSocket]:
    """Open a socket to ask with, while another one answers by publishing to the response topic."""
    async with provider.create_socket() as asker, provider.create_socket() as responder:
        await responder.subscribe(topic)

        async def answer() -> None:
            async for message in responder:
                reply = SpaMessage(topic=message.response_topic or "", payload=b"re: " + message.payload)
                await responder.publish(reply)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            yield asker
            tasks.cancel_scope.cancel()


async def reply_topics(broker: KafkaBroker) -> set[str]:
    """Return the topics for replies that exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.plaintext)
    await admin.start()
    try:
        return {name for name in await admin.list_topics() if name.startswith("spa.reply.")}
    finally:
        await admin.close()


async def none_left(broker: KafkaBroker) -> None:
    """Wait until there are no topics for replies: a broker lists one for a moment after it has deleted it."""
    while await reply_topics(broker):
        await checkpoint()


async def test_replies_share_a_topic(mortal_broker: KafkaBroker, topic_name: str) -> None:
    """Requests share one topic, which exists from the first of them until the socket closes."""
    provider = KafkaSocketProvider(KafkaConfig(mortal_broker.plaintext))
    with anyio.fail_after(PATIENCE):
        async with asking(provider, topic_name) as socket:
            before = await reply_topics(mortal_broker)
            replies = [(await socket.request(topic_name, b"%d" % number)).payload for number in range(5)]
            during = await reply_topics(mortal_broker)

        assert replies == [b"re: %d" % number for number in range(5)]
        assert (len(before), len(during)) == (0, 1)
        await none_left(mortal_broker)


async def test_each_reply_in_an_envelope_has_a_topic(mortal_broker: KafkaBroker, topic_name: str) -> None:
    """In the envelope each of many requests at once has a topic of its own, and all are deleted at the end."""
    provider = KafkaSocketProvider(KafkaConfig(mortal_broker.plaintext)).with_envelope(SpaDatEnvelope())
    replies: dict[int, bytes] = {}

    async def ask(socket: SpaSocket, number: int) -> None:
        replies[number] = (await socket.request(topic_name, b"%d" % number, timeout=PATIENCE)).payload

    with anyio.fail_after(PATIENCE):
        async with asking(provider, topic_name) as socket:
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(ask, socket, number)
            topics = await reply_topics(mortal_broker)

        assert replies == {number: b"re: %d" % number for number in range(20)}
        assert len({name.rpartition(".")[2] for name in topics} & {str(number) for number in range(1, 21)}) == 20
        await none_left(mortal_broker)


async def test_topics_of_old_requests_are_deleted(mortal_broker: KafkaBroker, topic_name: str) -> None:
    """A topic whose reply the broker has given up is deleted when more are made, so that they do not pile up."""
    config = KafkaConfig(mortal_broker.plaintext, reply_retention=2.0)
    provider = KafkaSocketProvider(config).with_envelope(SpaDatEnvelope())
    with anyio.fail_after(PATIENCE):
        async with asking(provider, topic_name) as socket:
            await socket.request(topic_name, b"the first")
            [first] = [name for name in await reply_topics(mortal_broker) if name.endswith(".1")]
            while first in await reply_topics(mortal_broker):
                await socket.request(topic_name, b"one of the next")
