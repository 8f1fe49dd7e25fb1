"""What kills, restarts, poison and refusals cost on a real broker: repetitions at most, and never a message."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from spa_core import DistributedApplication, FailurePolicy, SpaMessage
from spa_core.errors import AuthenticationError, ConnectError, PublishError
from spa_core.testing.proxy import FaultProxy
from spa_core.transport import ACK, Backoff, SubscriptionSpec
from spa_kafka import KafkaConfig, KafkaSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from brokers.kafka import KafkaBroker

    from spa_core.transport import ConnectionEvent

pytestmark = pytest.mark.anyio

PATIENCE = 90

KILLED = """
import sys, anyio
from spa_core import DistributedApplication
from spa_kafka import KafkaConfig, KafkaSocketProvider

config = KafkaConfig(sys.argv[1], start_from="earliest", session_timeout=1.0, commit_interval=0.05)
app = DistributedApplication(KafkaSocketProvider(config))

@app.application(sys.argv[2], group="killed", concurrency=10)
async def handle(message):
    if int(message.payload) >= 50:
        print("holds", int(message.payload), flush=True)
        await anyio.sleep_forever()
    print("handled", int(message.payload), flush=True)

app.start()
"""


def make_provider(address: str, **fields: Any) -> KafkaSocketProvider:
    """Make a provider whose groups begin with the oldest message and whose topics have eight partitions."""
    options: dict[str, Any] = {
        "start_from": "earliest",
        "partitions": 8,
        "commit_interval": 0.1,
        "reconnect_max": 0.5,
        "session_timeout": 3.0,
    }
    return KafkaSocketProvider(KafkaConfig(address, **(options | fields)))


def numbered(topic: str, numbers: Iterable[int], keys: int = 20) -> list[SpaMessage]:
    """Return messages of some keys, each with its number as payload."""
    return [SpaMessage(topic=topic, payload=b"%d" % number, key=b"%d" % (number % keys)) for number in numbers]


async def publish(address: str, messages: list[SpaMessage]) -> None:
    """Publish messages on a socket of their own."""
    async with make_provider(address).create_socket() as socket:
        await socket.publish_many(messages)


@asynccontextmanager
async def serving(app: DistributedApplication) -> AsyncGenerator[None]:
    """Run an application beside the test, and drain it at the end."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: app.start_async(handle_signals=False))
        await until(lambda: app.health().state == "running")
        try:
            yield
        finally:
            app.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that announces itself by no event."""
    while not condition():
        await checkpoint()


async def test_a_killed_consumer_loses_nothing(kafka_address: str, topic_name: str) -> None:
    """Of a hundred messages none is lost when a consumer is killed while it handles ten of them."""
    await publish(kafka_address, numbered(topic_name, range(100)))
    command = [sys.executable, "-c", KILLED, kafka_address, topic_name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - it is killed
    assert process.stdout is not None
    lines = []
    with process, anyio.fail_after(PATIENCE):
        while sum("holds" in line for line in lines) < 10:
            lines.append(await anyio.to_thread.run_sync(process.stdout.readline))
        process.kill()
        lines += await anyio.to_thread.run_sync(process.stdout.readlines)
    handled = {int(line.split()[1]) for line in lines if "handled" in line}
    held = {int(line.split()[1]) for line in lines if "holds" in line}

    app = DistributedApplication(make_provider(kafka_address, session_timeout=1.0))
    again: set[int] = set()

    @app.application(topic_name, group="killed")
    async def handle(message: SpaMessage) -> None:
        again.add(int(message.payload))

    with anyio.fail_after(PATIENCE):
        async with serving(app):
            await until(lambda: again | handled == set(range(100)) and held <= again)

    assert held <= again


async def test_a_graceful_stop_loses_and_repeats_nothing(kafka_address: str, topic_name: str) -> None:
    """Two thousand messages through ten handlers at once, with two stops in the middle: each is handled once."""
    await publish(kafka_address, numbered(topic_name, range(2000)))
    handled: Counter[int] = Counter()

    def make_app() -> DistributedApplication:
        app = DistributedApplication(make_provider(kafka_address))

        @app.application(topic_name, group="graceful", concurrency=10)
        async def handle(message: SpaMessage) -> None:
            for _ in range(int(message.payload) % 7):
                await checkpoint()
            handled[int(message.payload)] += 1

        return app

    with anyio.fail_after(PATIENCE):
        for so_far in (500, 1200, 2000):
            async with serving(make_app()):
                await until(lambda: len(handled) >= so_far)  # noqa: B023

    assert handled == Counter(range(2000))


async def test_members_may_come_and_go(kafka_address: str, topic_name: str) -> None:
    """While members join and leave under load nothing is lost, keys keep their order, and hardly anything repeats."""
    begun: list[int] = []
    published: list[int] = []
    enough = anyio.Event()

    def make_app(handled: list[int]) -> DistributedApplication:
        app = DistributedApplication(make_provider(kafka_address))

        @app.application(topic_name, group="changing", concurrency=10)
        async def handle(message: SpaMessage) -> None:
            begun.append(int(message.payload))
            for _ in range(int(message.payload) % 11):
                await checkpoint()
            handled.append(int(message.payload))

        return app

    async def produce() -> None:
        async with make_provider(kafka_address).create_socket() as socket:
            while not enough.is_set():
                batch = range(len(published), len(published) + 20)
                await socket.publish_many(numbered(topic_name, batch))
                published.extend(batch)
                # Never far ahead, so that every change of members meets messages on their way.
                await until(lambda: len(set(begun)) > len(published) - 100)

    with anyio.fail_after(PATIENCE):
        async with serving(make_app([])), anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            for _ in range(6):
                handled: list[int] = []
                async with serving(make_app(handled)):
                    await until(lambda: len(handled) >= 100)  # noqa: B023
            enough.set()
            await until(lambda: set(begun) >= set(published))
    first_times: dict[int, list[int]] = {}
    for number in dict.fromkeys(begun):
        first_times.setdefault(number % 20, []).append(number)

    assert all(numbers == sorted(numbers) for numbers in first_times.values())
    assert len(begun) - len(published) <= len(published) // 100


async def test_a_broker_that_is_killed_loses_nothing(mortal_broker: KafkaBroker, topic_name: str) -> None:
    """What was accepted while the broker was killed and restarted arrives, and consumers resume by themselves."""
    provider = make_provider(mortal_broker.plaintext, broker_timeout=3.0, publish_timeout=5.0)
    accepted: set[int] = set()
    handled: set[int] = set()
    app = DistributedApplication(provider)

    @app.application(topic_name, group="survivors", concurrency=10)
    async def handle(message: SpaMessage) -> None:
        handled.add(int(message.payload))

    async def produce() -> None:
        async with provider.create_socket() as socket:
            for message in numbered(topic_name, range(400)):
                try:
                    await socket.publish(message)
                except PublishError:
                    continue
                accepted.add(int(message.payload))

    with anyio.fail_after(PATIENCE):
        async with serving(app), anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            await until(lambda: len(handled) > 100)
            await anyio.to_thread.run_sync(mortal_broker.kill)
            await anyio.to_thread.run_sync(mortal_broker.start)
            await until(lambda: 399 in accepted and accepted <= handled)

    assert accepted <= handled
    assert len(accepted) > 300


async def test_who_gets_an_answer_ends_the_wait_of_others(
    kafka_broker: KafkaBroker, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rare attempts to connect have become: a publish that is accepted proves that the cluster is back."""
    monkeypatch.setattr(Backoff, "pause", lambda _: 3600.0)
    states: list[str] = []
    host, _, port = kafka_broker.proxied.rpartition(":")
    async with FaultProxy(host, int(port), listen=kafka_broker.proxy_port) as proxy:
        provider = make_provider(f"{proxy.host}:{proxy.port}")
        async with provider.open(lambda event: states.append(event.state)) as socket:
            await socket.publish(SpaMessage(topic=topic_name, payload=b"0"))
            await proxy.cut()
            with anyio.fail_after(PATIENCE):
                await until(lambda: "disconnected" in states)
                await socket.publish(SpaMessage(topic=topic_name, payload=b"1"))
                await until(lambda: states[-1] == "connected")

    assert states == ["connected", "disconnected", "connected", "closed"]


async def test_poison_is_put_aside(kafka_address: str, topic_name: str) -> None:
    """A message that no handler can handle ends in the dead-letter topic, and its partition goes on behind it."""
    handled: list[bytes] = []
    app = DistributedApplication(make_provider(kafka_address, partitions=1))

    @app.application(topic_name, group="careful", policy=FailurePolicy(attempts=2, backoff=0))
    async def handle(message: SpaMessage) -> None:
        if message.payload == b"poison":
            raise LookupError("no such pump")
        handled.append(message.payload)

    messages = [SpaMessage(topic=topic_name, payload=payload, key=b"k") for payload in (b"0", b"poison", b"1", b"2")]
    await publish(kafka_address, messages)
    with anyio.fail_after(PATIENCE):
        async with (
            serving(app),
            make_provider(kafka_address).open(_ignore) as socket,
            socket.subscribe(SubscriptionSpec(topics=(f"{topic_name}/careful/dlq",), group="undertaker")) as letters,
        ):
            [letter] = await letters.receive_batch(1)
            await letter.settle(ACK)
            await until(lambda: len(handled) == 3)

    assert letter.message.payload == b"poison"
    assert handled == [b"0", b"1", b"2"]


async def test_a_refused_dead_letter_keeps_its_message(
    kafka_address: str, topic_name: str, create_topic: Callable[..., Awaitable[None]]
) -> None:
    """While the dead-letter topic takes nothing the message is held; the next application of the group gets it."""
    letters = f"{topic_name}-letters"
    await create_topic(letters, **{"max.message.bytes": "100"})
    policy = FailurePolicy(attempts=1, dead_letter_topic=letters)
    handled: list[bytes] = []

    def make_app(*, fails: bool) -> DistributedApplication:
        app = DistributedApplication(make_provider(kafka_address, partitions=1))

        @app.application(topic_name, group="keeper", policy=policy)
        async def handle(message: SpaMessage) -> None:
            handled.append(message.payload)
            if fails:
                raise LookupError("no such pump")

        return app

    await publish(kafka_address, [SpaMessage(topic=topic_name, payload=b"kept")])
    with anyio.fail_after(PATIENCE):
        async with serving(make_app(fails=True)):
            await until(lambda: len(handled) >= 2)
        before = len(handled)
        async with serving(make_app(fails=False)):
            await until(lambda: len(handled) > before)

    assert set(handled) == {b"kept"}


@pytest.mark.parametrize(
    ("listener", "fields", "expected"),
    [
        ("sasl", {"username": "ann", "password": "wrong"}, AuthenticationError),
        ("sasl", {"username": "ann", "password": "wrong", "sasl_mechanism": "PLAIN"}, AuthenticationError),
        ("ssl", {}, ConnectError),
        ("plaintext", {"tls": True}, ConnectError),
        ("ssl", {"tls": True}, ConnectError),
        ("sasl", {}, ConnectError),
    ],
    ids=["scram-password", "plain-password", "no-tls", "tls-to-plaintext", "unknown-authority", "no-credentials"],
)
async def test_refusals_are_told_in_time(
    kafka_broker: KafkaBroker, listener: str, fields: dict[str, Any], expected: type[ConnectError]
) -> None:
    """A wrong password, and TLS on one side only, raise a typed error before twice the deadline; nothing shows it."""
    provider = make_provider(getattr(kafka_broker, listener), connect_timeout=2.0, **fields)
    with anyio.fail_after(10), pytest.raises(expected) as caught:
        async with provider.open(_ignore):
            raise AssertionError("a socket was opened where it must not be")

    assert "wrong" not in str(caught.value).split("'")


async def test_topics_of_others_survive(
    kafka_address: str, topic_name: str, create_topic: Callable[..., Awaitable[None]]
) -> None:
    """A topic that was there keeps its partitions and its messages over a whole life of an application, replies too."""
    await create_topic(topic_name, 3)
    await publish(kafka_address, numbered(topic_name, range(10)))
    app = DistributedApplication(make_provider(kafka_address))
    echoed: list[bytes] = []

    @app.application(topic_name, group="guest")
    async def echo(message: SpaMessage) -> bytes:
        echoed.append(message.payload)
        return message.payload

    async with make_provider(kafka_address).create_socket() as looking:
        with anyio.fail_after(PATIENCE):
            async with serving(app), make_provider(kafka_address).create_socket() as socket:
                await until(lambda: len(echoed) == 10)
                reply = await socket.request(topic_name, b"10", timeout=30)
        topics = dict(await looking._opened().transport._means.cluster.look())  # type: ignore[attr-defined]

    assert reply.payload == b"10"
    assert topics[topic_name] == 3
    assert not [name for name in topics if name.startswith("spa.reply.")]


def _ignore(event: ConnectionEvent) -> None:
    """Hear of a change and do nothing."""
