"""What keeps consumers alive and honest on a real broker: driver faults, new partitions and topics, bounds, retries."""

from __future__ import annotations

import gc
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from anyio.lowlevel import checkpoint

from spa_core import SpaMessage
from spa_core.errors import ConnectError, DisconnectedError, SubscribeError
from spa_core.transport import ACK, Retry, SubscriptionSpec
from spa_kafka import KafkaConfig, KafkaSocket, KafkaSocketProvider
from spa_kafka.client import ConsumerLink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping

    from spa_core.transport import ConnectionEvent
    from spa_kafka.assignment import Place
    from spa_kafka.subscription import KafkaDelivery, KafkaSubscription

pytestmark = pytest.mark.anyio

GROUPS = [None, "group"]
"""A subscription for itself, and one of a group's member."""


@asynccontextmanager
async def opened(address: str, **fields: Any) -> AsyncGenerator[KafkaSocket]:
    """Open a socket that looks for topics often and commits at once."""

    def ignore(event: ConnectionEvent) -> None:
        """Hear of a change and do nothing."""

    options: dict[str, Any] = {"discover_interval": 0.2, "commit_interval": 0.05, "drain_timeout": 1.0}
    async with KafkaSocketProvider(KafkaConfig(address, **(options | fields))).open(ignore) as socket:
        yield socket


@asynccontextmanager
async def subscribed(
    socket: KafkaSocket, *topics: str, group: str | None = None, prefetch: int = 100
) -> AsyncGenerator[KafkaSubscription]:
    """Subscribe."""
    async with socket.subscribe(SubscriptionSpec(topics=topics, group=group, prefetch=prefetch)) as subscription:
        yield subscription


async def receive(subscription: KafkaSubscription, count: int) -> list[KafkaDelivery]:
    """Return exactly so many deliveries, not settled."""
    deliveries: list[KafkaDelivery] = []
    with anyio.fail_after(30):
        while len(deliveries) < count:
            deliveries += await subscription.receive_batch(count - len(deliveries))
    return deliveries


async def take(subscription: KafkaSubscription, count: int) -> list[bytes]:
    """Return exactly so many payloads, each acknowledged before more are asked for."""
    payloads: list[bytes] = []
    with anyio.fail_after(30):
        while len(payloads) < count:
            for delivery in await subscription.receive_batch(count - len(payloads)):
                assert await delivery.settle(ACK)
                payloads.append(delivery.message.payload)
    return payloads


async def publish(socket: KafkaSocket, topic: str, *payloads: bytes) -> None:
    """Publish payloads with one key."""
    await socket.publish_many([SpaMessage(topic=topic, payload=payload, key=b"k") for payload in payloads])


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that announces itself by no event."""
    with anyio.fail_after(30):
        while not condition():
            await checkpoint()


def driver_tasks(name: str) -> list[Any]:
    """Return a task of each consumer of the driver that is alive."""
    links = [each for each in gc.get_objects() if isinstance(each, ConsumerLink)]
    parts = [link._consumer._fetcher if name == "_fetch_task" else link._consumer._coordinator for link in links]
    return [task for part in parts if (task := getattr(part, name, None)) is not None and not task.done()]


@pytest.mark.parametrize("group", GROUPS)
async def test_a_driver_that_stops_fetching_is_replaced(
    kafka_address: str, topic_name: str, group: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """When the driver's fetch task dies, which it tells nobody, consuming begins again and nothing is lost."""
    async with opened(kafka_address) as socket, subscribed(socket, topic_name, group=group) as subscription:
        await publish(socket, topic_name, b"0", b"1")
        before = await take(subscription, 2)
        for task in driver_tasks("_fetch_task"):
            task.cancel()
        await until(lambda: "consuming was interrupted" in caplog.text)
        await publish(socket, topic_name, b"2", b"3")

        assert before + await take(subscription, 2) == [b"0", b"1", b"2", b"3"]


async def test_a_driver_that_lost_its_group_is_replaced(
    kafka_address: str, topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """When the driver's coordination task dies, the member joins again and goes on where it had committed."""
    async with opened(kafka_address) as socket, subscribed(socket, topic_name, group="g") as subscription:
        await publish(socket, topic_name, b"0")
        await take(subscription, 1)
        for task in driver_tasks("_coordination_task"):
            task.cancel()
        await until(lambda: "consuming was interrupted" in caplog.text)
        await publish(socket, topic_name, b"1")

        assert await take(subscription, 1) == [b"1"]


@pytest.mark.parametrize("group", GROUPS)
async def test_new_partitions_are_read_from_their_beginning(
    kafka_address: str, topic_name: str, group: str | None, create_topic: Callable[..., Awaitable[None]]
) -> None:
    """What is published to a partition before its consumer knows of it arrives."""
    await create_topic(topic_name, 1)
    async with opened(kafka_address) as socket, subscribed(socket, topic_name, group=group) as subscription:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
        await admin.start()
        await admin.create_partitions({topic_name: NewPartitions(4)})
        await admin.close()
        async with opened(kafka_address) as other:
            for number in range(12):
                await other.publish(SpaMessage(topic=topic_name, payload=b"%02d" % number))

        assert sorted(await take(subscription, 12)) == [b"%02d" % number for number in range(12)]


async def test_a_missing_topic_is_told(kafka_address: str, topic_name: str) -> None:
    """With ``declare_topics=validate`` subscribing to a topic that is not there fails at once, and makes none."""
    async with opened(kafka_address, declare_topics="validate") as socket:
        for group in GROUPS:
            with anyio.fail_after(5), pytest.raises(SubscribeError) as caught:
                async with subscribed(socket, topic_name, group=group):
                    raise AssertionError("subscribed to nothing")
            assert caught.value.topics == (topic_name,)
            assert "does not exist" in str(caught.value)


@pytest.mark.parametrize("group", GROUPS)
async def test_a_topic_may_come_later(
    kafka_address: str, topic_name: str, group: str | None, create_topic: Callable[..., Awaitable[None]]
) -> None:
    """With ``declare_topics=off`` a subscription waits for its topic, and gets its first message."""
    async with (
        opened(kafka_address, declare_topics="off") as socket,
        subscribed(socket, topic_name, group=group) as subscription,
    ):
        await create_topic(topic_name, 2)
        await publish(socket, topic_name, b"first")

        assert await take(subscription, 1) == [b"first"]


@pytest.mark.parametrize(("start_from", "expected"), [("earliest", [b"old", b"new"]), ("latest", [b"new"])])
async def test_where_a_new_group_begins(
    kafka_address: str, topic_name: str, start_from: str, expected: list[bytes]
) -> None:
    """A group that has never been there begins with the oldest message or with the next one, as configured."""
    async with opened(kafka_address, start_from=start_from) as socket:
        await publish(socket, topic_name, b"old")
        async with subscribed(socket, topic_name, group="g") as subscription:
            await publish(socket, topic_name, b"new")

            assert await take(subscription, len(expected)) == expected


async def test_a_group_that_was_there_for_a_moment_misses_nothing(kafka_address: str, topic_name: str) -> None:
    """A member that joins and leaves at once marks where the group is: what comes then is there for the next one."""
    async with opened(kafka_address, partitions=3) as socket:
        async with subscribed(socket, topic_name, group="g"):
            pass
        for number in range(6):
            await socket.publish(SpaMessage(topic=topic_name, payload=b"%d" % number))
        async with subscribed(socket, topic_name, group="g") as subscription:
            assert sorted(await take(subscription, 6)) == [b"%d" % number for number in range(6)]


async def test_a_full_buffer_stops_its_partition_only(kafka_address: str, topic_name: str) -> None:
    """While nobody takes the messages of one topic no more of them are held than allowed; all arrive in the end."""
    slow, quick = f"{topic_name}-slow", f"{topic_name}-quick"
    async with (
        opened(kafka_address, partitions=1, buffer_high=50, buffer_low=10, poll_max=20, fetch_size=65_536) as socket,
        subscribed(socket, slow, quick, prefetch=20) as subscription,
    ):
        await publish(socket, slow, *(b"%03d" % number for number in range(300)))
        assignment = subscription.consumers[0].assignment
        assert assignment is not None
        await until(lambda: assignment.partitions[slow, 0].waiting >= 50)
        await publish(socket, quick, b"quick")
        await until(lambda: assignment.partitions[quick, 0].waiting == 1)
        held = assignment.partitions[slow, 0].waiting
        payloads = await take(subscription, 301)

    assert held < 50 + 20
    assert [payload for payload in payloads if payload != b"quick"] == [b"%03d" % number for number in range(300)]


async def test_a_full_partition_is_not_kept_waiting_for_an_idle_one(
    kafka_address: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one partition has much and another nothing, polls for the idle one never last: the other soon has room."""
    patience: list[float] = []
    poll = ConsumerLink.poll

    async def noted(link: ConsumerLink, seconds: float, most: int, places: Collection[Place] = ()) -> object:
        if places:
            patience.append(seconds)
        return await poll(link, seconds, most, places)

    monkeypatch.setattr(ConsumerLink, "poll", noted)
    full, idle = f"{topic_name}-full", f"{topic_name}-idle"
    async with (
        opened(kafka_address, partitions=1, buffer_high=50, buffer_low=10, poll_max=20) as socket,
        subscribed(socket, full, idle) as subscription,
    ):
        await publish(socket, full, *(b"%03d" % number for number in range(300)))
        await until(lambda: patience)
        assert len(await take(subscription, 300)) == 300

    assert max(patience) <= 0.01


async def test_a_stuck_message_is_warned_about(
    kafka_address: str, topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A message that is not settled for too long is named once, with its place."""
    async with (
        opened(kafka_address, partitions=1, stuck_after=0.1) as socket,
        subscribed(socket, topic_name, group="g") as subscription,
    ):
        await publish(socket, topic_name, b"fine", b"stuck", b"behind")
        fine, _, behind = await receive(subscription, 3)
        await fine.settle(ACK)
        await behind.settle(ACK)
        await until(lambda: "has not been settled" in caplog.text)

    [line] = [record for record in caplog.records if "has not been settled" in record.getMessage()]
    assert line.levelno == logging.WARNING
    assert f"offset 1 of {topic_name}/0" in line.getMessage()


async def test_who_blocks_the_event_loop_is_warned(
    kafka_address: str, topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that keeps the event loop from running for a third of the session timeout is warned of what follows."""
    async with (
        opened(kafka_address, session_timeout=1.0) as socket,
        subscribed(socket, topic_name, group="g") as subscription,
    ):
        await publish(socket, topic_name, b"0")
        await take(subscription, 1)
        time.sleep(0.5)  # noqa: ASYNC251 - what must not be done
        await until(lambda: "the event loop stood still" in caplog.text)


def test_other_event_loops_are_refused(kafka_address: str) -> None:
    """On trio opening a socket raises a typed error that says what to do."""

    async def open_socket() -> None:
        async with opened(kafka_address):
            raise AssertionError("a socket was opened on trio")

    with pytest.raises(ConnectError) as caught:
        anyio.run(open_socket, backend="trio")

    assert "asyncio" in str(caught.value)


async def test_a_delayed_retry_is_never_early_and_comes_as_it_was(kafka_address: str, topic_name: str) -> None:
    """A message that waits in its retry topic comes not before it is due, with its topic, bytes and headers."""
    sent = SpaMessage(
        topic=topic_name, payload=b"\x00\xff", key=b"k", headers={"unit": "m3", "spa-retry-due": "mine"}, timestamp=12.5
    )
    async with opened(kafka_address) as socket, subscribed(socket, topic_name, group="g") as subscription:
        await socket.publish(sent)
        [first] = await receive(subscription, 1)
        begun = anyio.current_time()
        assert await first.settle(Retry(0.4))
        [second] = await receive(subscription, 1)
        waited = anyio.current_time() - begun
        assert await second.settle(Retry(0.01))
        [third] = await receive(subscription, 1)
        assert await third.settle(ACK)

    assert waited >= 0.4
    assert [delivery.attempt for delivery in (first, second, third)] == [1, 2, 3]
    for delivery in (second, third):
        assert delivery.native.topic == f"{topic_name}.g.retry.1s"
        assert delivery.message == first.message == sent.replace(message_id=first.message.message_id)


async def test_a_retry_that_cannot_be_written_is_held(kafka_address: str, topic_name: str) -> None:
    """Where no retry topic may be made the message waits in memory, uncommitted, and others go on meanwhile."""
    async with opened(kafka_address) as owner:
        await publish(owner, topic_name, b"old")
        async with (
            opened(kafka_address, declare_topics="validate", start_from="earliest") as socket,
            subscribed(socket, topic_name, group="g") as subscription,
        ):
            [delivery] = await receive(subscription, 1)
            assert await delivery.settle(Retry(0.05))
            await publish(owner, topic_name, b"new")
            others = [(each.message.payload, each.attempt) for each in await receive(subscription, 2)]

    assert sorted(others) == [(b"new", 1), (b"old", 2)]


async def test_commits_that_fail_are_told_of_once(
    kafka_address: str, topic_name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long nothing can be committed, one warning says so, and another one the next time."""
    commit, away, failed, done = ConsumerLink.commit, True, [0], [0]

    async def refusing(self: ConsumerLink, offsets: Mapping[Place, tuple[int, str]], seconds: float) -> None:
        if away:
            failed[0] += 1
            raise DisconnectedError("nobody there")
        await commit(self, offsets, seconds)
        done[0] += 1

    monkeypatch.setattr(ConsumerLink, "commit", refusing)
    told: list[int] = []
    async with opened(kafka_address) as socket:
        away = False
        async with subscribed(socket, topic_name, group="g") as subscription:
            for _ in range(2):
                away = True
                failed[0] = done[0] = 0
                await publish(socket, topic_name, b"1")
                await take(subscription, 1)
                await until(lambda: failed[0] > 3)
                told.append(caplog.text.count("nothing was committed: nobody there"))
                away = False
                await until(lambda: done[0] > 0)

    assert told == [1, 2]


async def test_handlers_that_outlast_a_rebalance_are_told_of_with_the_way_out(
    kafka_address: str, topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever joins does not wait for ever; what is in hand elsewhere comes twice, and a warning says what to set."""
    async with (
        opened(kafka_address, drain_timeout=0.05) as slow,
        opened(kafka_address) as other,
        subscribed(slow, topic_name, group="g") as subscription,
    ):
        await publish(slow, topic_name, b"1", b"2")
        in_hand = await receive(subscription, 2)
        async with subscribed(other, topic_name, group="g"):
            settled = [await each.settle(ACK) for each in in_hand]

    assert settled == [False, False]
    assert "2 messages were not settled within 0.05 s" in caplog.text
    assert "Lower prefetch=" in caplog.text
