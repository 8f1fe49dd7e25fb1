"""Raw aiokafka at its best settings."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.at_once import all_at_once
from benchmarks.brokers import kafka
from benchmarks.kafka.case import BATCH, KEYS, WIRE_HEADERS, Case
from benchmarks.kafka.count import Count
from benchmarks.kafka.load import Pace, RawResponder
from benchmarks.kafka.pace import SLOW, sent, since
from benchmarks.kafka.topics import empty_topic, filled_topic, new_name
from benchmarks.measure import Run, Stopwatch
from benchmarks.reading import json_of_size

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

COMMIT = 1.0
"""Seconds between commits."""


async def handle(record: ConsumerRecord[bytes, bytes]) -> None:
    """Take a record."""


def consume(case: Case, stored: int, messages: int) -> Run:
    """Take 500 records at a time, await a handler for each, and commit every second what was handled."""
    watch, topic = Stopwatch(), filled_topic(case, stored)
    count = Count(messages, watch, lambda: None)

    async def main() -> None:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=kafka(),
            group_id=new_name("group"),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        async with consumer:
            committed = time.monotonic()
            while not count.done:
                for records in (await consumer.getmany(timeout_ms=200, max_records=500)).values():
                    for record in records:
                        await handle(record)
                        count.one()
                if time.monotonic() - committed > COMMIT:
                    await consumer.commit()
                    committed = time.monotonic()

    asyncio.run(main())
    return watch.run(messages)


def publish(case: Case, batch: int, messages: int) -> Run:
    """Publish with ``send_and_wait``, all replicas confirming, and batches of *batch* bytes."""
    watch, body, keys = Stopwatch(), json_of_size(case.size), itertools.cycle(KEYS)

    async def main(topic: str) -> None:
        async with AIOKafkaProducer(bootstrap_servers=kafka(), acks="all", max_batch_size=batch) as producer:

            async def one() -> None:
                await producer.send_and_wait(topic, body, key=next(keys), headers=WIRE_HEADERS)

            await all_at_once(len(KEYS), len(KEYS), one)  # until every partition is known to take messages
            with watch:
                await all_at_once(case.at_once, messages, one)

    with empty_topic(case.partitions) as topic:
        asyncio.run(main(topic))
    return watch.run(messages)


def request(case: Case, messages: int) -> Run:
    """Ask over one reply topic, with what it takes to tell the answers apart written by hand."""
    watch, body, numbers = Stopwatch(), json_of_size(case.size), itertools.count(1)
    waiting: dict[bytes, asyncio.Future[None]] = {}

    async def main(questions: str, answers: str) -> list[float]:
        producer = AIOKafkaProducer(bootstrap_servers=kafka(), acks="all", max_batch_size=BATCH)
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka(), auto_offset_reset="latest")
        async with producer, consumer:
            consumer.assign([TopicPartition(answers, 0)])
            await consumer.seek_to_end()
            await consumer.position(TopicPartition(answers, 0))

            async def read() -> None:
                while True:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        for record in records:
                            waiting.pop(dict(record.headers)["correlation"]).set_result(None)

            async def ask() -> None:
                number = str(next(numbers)).encode()
                answer = waiting[number] = asyncio.get_running_loop().create_future()
                headers = [*WIRE_HEADERS, ("reply-to", answers.encode()), ("correlation", number)]
                await producer.send_and_wait(questions, body, headers=headers)
                await answer

            reading = asyncio.create_task(read())
            await ask()
            with watch:
                latencies = await all_at_once(case.at_once, messages, ask)
            reading.cancel()
            return latencies

    with empty_topic(case.partitions) as questions, empty_topic(1) as answers, RawResponder(questions):
        latencies = asyncio.run(main(questions, answers))
    return watch.run(messages, latencies=latencies)


def beside(messages: int) -> Run:
    """Handle one record after the other, as they are given out, the slow ones included."""
    watch, latencies = Stopwatch(), list[float]()

    async def main(topic: str) -> None:
        async with AIOKafkaConsumer(topic, bootstrap_servers=kafka(), group_id=new_name("group")) as consumer:
            with Pace(topic), watch:
                while len(latencies) < messages:
                    message = sent((await consumer.getone()).value)
                    if message.slow:
                        await asyncio.sleep(SLOW)
                    else:
                        latencies.append(since(message.at))

    with empty_topic(2) as topic:
        asyncio.run(main(topic))
    return watch.run(messages, latencies=latencies)
