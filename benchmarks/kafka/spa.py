"""SPA: the application as its users write it, and the transport below it without core's pipeline."""

from __future__ import annotations

import itertools

import anyio

from benchmarks.at_once import all_at_once
from benchmarks.brokers import kafka
from benchmarks.kafka.case import HEADERS, KEYS, Case
from benchmarks.kafka.count import Count
from benchmarks.kafka.load import Pace, SpaResponder
from benchmarks.kafka.pace import SLOW, Sent, since
from benchmarks.kafka.topics import empty_topic, filled_topic, new_name
from benchmarks.measure import Run, Stopwatch
from benchmarks.reading import NotedReading, json_of_size
from spa_core import DistributedApplication, SocketProviderFactory, SpaMessage
from spa_core.transport import ACK, SubscriptionSpec

CONTENT_TYPE = HEADERS["content-type"]
TRACE = {"trace": HEADERS["trace"]}


def consume(case: Case, stored: int, concurrency: int, messages: int) -> Run:
    """Handle messages that are decoded into their type; they are committed after their handler."""
    watch, topic = Stopwatch(), filled_topic(case, stored)
    app = DistributedApplication(f"kafka://{kafka()}?start_from=earliest")
    count = Count(messages, watch, app.stop)

    @app.application(topic, group=new_name("group"), concurrency=concurrency)
    async def handle(reading: NotedReading) -> None:  # noqa: ARG001 - decoding it is the work
        count.one()

    app.start()
    return watch.run(messages)


async def handle_message(message: SpaMessage) -> None:
    """Take a message."""


def consume_transport(case: Case, stored: int, messages: int) -> Run:
    """Pull messages and settle each after an awaited handler, as core does, and nothing else of what core does."""
    watch, topic = Stopwatch(), filled_topic(case, stored)
    provider = SocketProviderFactory.from_url(f"kafka://{kafka()}?start_from=earliest")
    count = Count(messages, watch, lambda: None)

    async def main() -> None:
        spec = SubscriptionSpec(topics=(topic,), group=new_name("group"))
        async with provider.open(lambda _: None) as socket, socket.subscribe(spec) as subscription:
            while not count.done:
                for delivery in await subscription.receive_batch(50):
                    await handle_message(delivery.message)
                    await delivery.settle(ACK)
                    count.one()

    anyio.run(main)
    return watch.run(messages)


def publish(case: Case, messages: int) -> Run:
    """Publish, all replicas confirming, which is the default."""
    watch, body, keys = Stopwatch(), json_of_size(case.size), itertools.cycle(KEYS)
    provider = SocketProviderFactory.from_url(f"kafka://{kafka()}")

    async def main(topic: str) -> None:
        async with provider.create_socket() as socket:

            async def one() -> None:
                await socket.publish(topic, body, content_type=CONTENT_TYPE, key=next(keys), headers=TRACE)

            await all_at_once(len(KEYS), len(KEYS), one)  # until every partition is known to take messages
            with watch:
                await all_at_once(case.at_once, messages, one)

    with empty_topic(case.partitions) as topic:
        anyio.run(main, topic)
    return watch.run(messages)


def request(case: Case, messages: int) -> Run:
    """Ask; another SPA application answers."""
    watch, body = Stopwatch(), json_of_size(case.size)
    provider = SocketProviderFactory.from_url(f"kafka://{kafka()}")

    async def main(topic: str) -> list[float]:
        async with provider.create_socket() as socket:
            await socket.request(topic, body, content_type=CONTENT_TYPE, headers=TRACE)
            with watch:
                return await all_at_once(
                    case.at_once,
                    messages,
                    lambda: socket.request(topic, body, content_type=CONTENT_TYPE, headers=TRACE),
                )

    with empty_topic(case.partitions) as topic, SpaResponder(topic):
        latencies = anyio.run(main, topic)
    return watch.run(messages, latencies=latencies)


def beside(messages: int) -> Run:
    """Handle up to eight messages at once, those of one key one after the other."""
    watch, latencies = Stopwatch(), list[float]()

    with empty_topic(2) as topic:
        app = DistributedApplication(f"kafka://{kafka()}")

        @app.application(topic, group=new_name("group"), concurrency=8)
        async def handle(sent: Sent) -> None:
            if sent.slow:
                await anyio.sleep(SLOW)
                return
            latencies.append(since(sent.at))
            if len(latencies) >= messages:
                app.stop()

        @app.producer()
        async def begin() -> None:
            pace.__enter__()

        pace = Pace(topic)
        try:
            with watch:
                app.start()
        finally:
            pace.__exit__()
    return watch.run(len(latencies), latencies=latencies)
