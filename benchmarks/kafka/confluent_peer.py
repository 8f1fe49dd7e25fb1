"""Raw confluent-kafka: librdkafka in C, with threads of its own; what those take is counted too."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer
from confluent_kafka.aio import AIOProducer

from benchmarks.at_once import all_at_once
from benchmarks.brokers import kafka
from benchmarks.kafka.aiokafka_peer import COMMIT
from benchmarks.kafka.case import KEYS, Case
from benchmarks.kafka.count import Count
from benchmarks.kafka.topics import empty_topic, filled_topic, new_name
from benchmarks.measure import Run, Stopwatch
from benchmarks.reading import json_of_size

if TYPE_CHECKING:
    from confluent_kafka import Message


def handle(message: Message) -> None:
    """Take a message."""


def consume(case: Case, stored: int, messages: int) -> Run:
    """Take 500 messages at a time, call a handler for each, and commit every second; nothing here is async."""
    watch, topic = Stopwatch(), filled_topic(case, stored)
    count = Count(messages, watch, lambda: None)
    consumer = Consumer(
        {
            "bootstrap.servers": kafka(),
            "group.id": new_name("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    committed = time.monotonic()
    while not count.done:
        for message in consumer.consume(500, timeout=0.2):
            handle(message)
            count.one()
        if time.monotonic() - committed > COMMIT:
            consumer.commit(asynchronous=True)
            committed = time.monotonic()
    consumer.close()
    return watch.run(messages)


def publish(case: Case, messages: int) -> Run:
    """Publish with its asyncio producer, whose batch is as large as there are tasks; it cannot carry headers."""
    watch, body, keys = Stopwatch(), json_of_size(case.size), itertools.cycle(KEYS)

    async def main(topic: str) -> None:
        settings = {"bootstrap.servers": kafka(), "acks": "all"}
        producer = AIOProducer(settings, batch_size=case.at_once, buffer_timeout=0.05)

        async def one() -> None:
            await (await producer.produce(topic, body, key=next(keys)))

        await all_at_once(len(KEYS), len(KEYS), one)  # until every partition is known to take messages
        with watch:
            await all_at_once(case.at_once, messages, one)
        await producer.close()

    with empty_topic(case.partitions) as topic:
        asyncio.run(main(topic))
    return watch.run(messages)
