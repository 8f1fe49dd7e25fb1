"""Members of one group that want different topics, on a real broker: the group is its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import SpaMessage
from spa_core.errors import SubscribeError
from spa_core.transport import ACK, SubscriptionSpec
from spa_kafka import KafkaConfig, KafkaSocket, KafkaSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spa_core.transport import ConnectionEvent, Subscription

pytestmark = pytest.mark.anyio


def ignore(event: ConnectionEvent) -> None:
    """Hear of a change and do nothing."""


@pytest.fixture
async def socket(kafka_address: str) -> AsyncIterator[KafkaSocket]:
    """An open socket."""
    async with KafkaSocketProvider(KafkaConfig(kafka_address, commit_interval=0.05)).open(ignore) as socket:
        yield socket


async def publish(socket: KafkaSocket, topic: str, *payloads: bytes) -> None:
    """Publish payloads."""
    await socket.publish_many([SpaMessage(topic=topic, payload=payload) for payload in payloads])


async def take(subscription: Subscription, count: int) -> set[bytes]:
    """Receive and acknowledge exactly so many messages, and return their payloads."""
    payloads: list[bytes] = []
    with anyio.fail_after(30):
        while len(payloads) < count:
            for delivery in await subscription.receive_batch(count - len(payloads)):
                await delivery.settle(ACK)
                payloads.append(delivery.message.payload)
    return set(payloads)


def wanting(group: str, *topics: str) -> SubscriptionSpec:
    """Return what a member of a group wants."""
    return SubscriptionSpec(topics=topics, group=group)


async def test_a_topic_that_is_added_loses_nothing_of_the_others(socket: KafkaSocket, topic_name: str) -> None:
    """A group whose member comes back wanting one topic more goes on where it was in the one it had."""
    old, new = f"{topic_name}.old", f"{topic_name}.new"
    async with socket.subscribe(wanting(topic_name, old)) as subscription:
        await publish(socket, old, b"before")
        assert await take(subscription, 1) == {b"before"}
    await publish(socket, old, b"while", b"away")
    async with socket.subscribe(wanting(topic_name, old, new)) as subscription:
        await publish(socket, new, b"new")

        assert await take(subscription, 3) == {b"while", b"away", b"new"}


async def test_members_for_different_topics_each_get_all_of_theirs(socket: KafkaSocket, topic_name: str) -> None:
    """Two members of a group that want different topics each get every message of their own topic."""
    north, south = f"{topic_name}.north", f"{topic_name}.south"
    async with (
        socket.subscribe(wanting(topic_name, north)) as one,
        socket.subscribe(wanting(topic_name, south)) as other,
    ):
        await publish(socket, north, b"n1", b"n2", b"n3")
        await publish(socket, south, b"s1", b"s2", b"s3")

        assert await take(one, 3) == {b"n1", b"n2", b"n3"}
        assert await take(other, 3) == {b"s1", b"s2", b"s3"}


async def test_members_that_overlap_are_refused(socket: KafkaSocket, topic_name: str) -> None:
    """A member that wants some of what another one of its process wants is refused, until that one has left."""
    wide, narrow = f"{topic_name}/+", f"{topic_name}/north"
    async with socket.subscribe(wanting(topic_name, wide)):
        with pytest.raises(SubscribeError, match="they would share"):
            async with socket.subscribe(wanting(topic_name, narrow)):
                raise AssertionError("it was let in")
    async with socket.subscribe(wanting(topic_name, narrow)) as subscription:
        await publish(socket, narrow, b"mine")

        assert await take(subscription, 1) == {b"mine"}
