"""What runs beside a client that is measured, each in a process of its own: who answers it, and who sends to it."""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.brokers import kafka
from benchmarks.kafka.case import BATCH
from benchmarks.kafka.pace import INTERVAL, Sent
from benchmarks.process import OtherSide, ready
from spa_core import DistributedApplication, SpaMessage


class RawResponder(OtherSide):
    """Answers every question with its own payload, by raw aiokafka and headers of its own."""

    def __init__(self, questions: str) -> None:
        super().__init__("kafka.load", "answer", kafka(), questions)


class SpaResponder(OtherSide):
    """Answers every question with its own payload, as an SPA application does it."""

    def __init__(self, questions: str) -> None:
        super().__init__("kafka.load", "answer_with_spa", kafka(), questions)


class Pace(OtherSide):
    """Sends a slow message, a quick message, and so on."""

    def __init__(self, topic: str) -> None:
        super().__init__("kafka.load", "pace", kafka(), topic)


async def answer(address: str, topic: str) -> None:
    """Be a raw responder."""
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", max_batch_size=BATCH)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=address)  # without a group: all partitions, from their ends
    async with producer, consumer:
        for place in consumer.assignment():
            await consumer.position(place)
        ready()
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = dict(record.headers)
                    answers = headers["reply-to"].decode()
                    correlation = [("correlation", headers["correlation"])]
                    await producer.send(answers, record.value, partition=0, headers=correlation)


async def answer_with_spa(address: str, topic: str) -> None:
    """Be an SPA application that answers."""
    app = DistributedApplication(f"kafka://{address}")

    @app.application(topic, group="responders", concurrency=100, ordering="none")
    async def respond(message: SpaMessage) -> bytes:
        return message.payload

    @app.producer()
    async def begin() -> None:
        ready()

    await app.start_async()


async def pace(address: str, topic: str) -> None:
    """Send messages."""
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        ready()
        number = 0
        while True:
            slow = number % 2 == 0
            value = msgspec.json.encode(Sent(slow, time.time()))
            await producer.send_and_wait(topic, value, key=b"slow" if slow else b"quick", partition=int(not slow))
            await asyncio.sleep(INTERVAL)
            number += 1


if __name__ == "__main__":
    asyncio.run({each.__name__: each for each in (answer, answer_with_spa, pace)}[sys.argv[1]](*sys.argv[2:]))
