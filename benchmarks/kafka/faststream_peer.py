"""FastStream over aiokafka; its log is off, which favours it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from benchmarks.at_once import all_at_once
from benchmarks.brokers import kafka
from benchmarks.kafka.case import BATCH, KEYS, Case
from benchmarks.kafka.count import Count
from benchmarks.kafka.load import Pace
from benchmarks.kafka.pace import SLOW, since
from benchmarks.kafka.topics import empty_topic, filled_topic, new_name
from benchmarks.measure import Run, Stopwatch
from benchmarks.reading import PlainNotedReading, json_of_size


@dataclass
class PlainSent:
    """A payload, as a type that it knows."""

    slow: bool
    at: float


def consume(case: Case, stored: int, policy: str, messages: int) -> Run:
    """Handle messages that are decoded into their type."""
    watch, topic = Stopwatch(), filled_topic(case, stored)
    options = {"ack_policy": AckPolicy[policy]} if policy else {}

    async def main() -> None:
        broker, done = KafkaBroker(kafka(), logger=None), asyncio.Event()
        count = Count(messages, watch, done.set)

        @broker.subscriber(topic, group_id=new_name("group"), auto_offset_reset="earliest", **options)
        async def handle(reading: PlainNotedReading) -> None:  # noqa: ARG001 - decoding it is the work
            count.one()

        async with broker:
            await broker.start()
            await done.wait()

    asyncio.run(main())
    return watch.run(messages)


def publish(case: Case, messages: int) -> Run:
    """Publish text, since it gives bytes no content type."""
    watch, body, keys = Stopwatch(), json_of_size(case.size).decode(), itertools.cycle(KEYS)
    headers = {"trace": "4bf92f3577b34da6a3ce929d0e0e4736"}

    async def main(topic: str) -> None:
        async with KafkaBroker(kafka(), logger=None, acks="all", max_batch_size=BATCH) as broker:
            await broker.start()

            async def one() -> None:
                await broker.publish(body, topic, key=next(keys), headers=headers)

            await all_at_once(len(KEYS), len(KEYS), one)  # until every partition is known to take messages
            with watch:
                await all_at_once(case.at_once, messages, one)

    with empty_topic(case.partitions) as topic:
        asyncio.run(main(topic))
    return watch.run(messages)


def beside(messages: int) -> Run:
    """Handle messages with its default subscriber."""
    watch, latencies = Stopwatch(), list[float]()

    async def main(topic: str) -> None:
        broker, done = KafkaBroker(kafka(), logger=None), asyncio.Event()

        @broker.subscriber(topic, group_id=new_name("group"))
        async def handle(message: PlainSent) -> None:
            if message.slow:
                await asyncio.sleep(SLOW)
                return
            latencies.append(since(message.at))
            if len(latencies) >= messages:
                done.set()

        async with broker:
            await broker.start()
            with Pace(topic), watch:
                await done.wait()

    with empty_topic(2) as topic:
        asyncio.run(main(topic))
    return watch.run(len(latencies), latencies=latencies)
