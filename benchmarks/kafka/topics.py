"""Topics to publish to and topics full of messages; made with aiokafka, which SPA's transport brings along."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.brokers import kafka
from benchmarks.kafka.case import BATCH, KEYS, WIRE_HEADERS
from benchmarks.reading import json_of_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.kafka.case import Case

_numbers = itertools.count(1)


def new_name(what: str) -> str:
    """Return a name that nothing else has."""
    return f"bench-{what}-{os.getpid()}-{next(_numbers)}"


@contextmanager
def empty_topic(partitions: int) -> Iterator[str]:
    """Make a topic for a while, and give its name."""
    name = new_name("topic")
    asyncio.run(_make(name, partitions))
    try:
        yield name
    finally:
        asyncio.run(_delete(name))


@functools.cache
def filled_topic(case: Case, messages: int) -> str:
    """Return the name of a topic that holds messages, as many in each filled partition; it stays for the whole run."""
    name = new_name("filled")
    asyncio.run(_make(name, case.partitions))
    asyncio.run(_fill(name, case, messages))
    return name


async def _make(name: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
        while (await admin.describe_topics([name]))[0]["error_code"]:  # noqa: ASYNC110 - it takes a moment
            await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def _delete(name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka())
    await admin.start()
    try:
        await admin.delete_topics([name])
    finally:
        await admin.close()


async def _fill(name: str, case: Case, messages: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka(), max_batch_size=BATCH)
    await producer.start()
    body, keys = json_of_size(case.size), itertools.cycle(KEYS)
    try:
        filled = case.filled or case.partitions
        for partition in range(filled):
            left = messages // filled + (partition < messages % filled)
            while left:
                batch = producer.create_batch()
                while left and batch.append(timestamp=None, key=next(keys), value=body, headers=WIRE_HEADERS):
                    left -= 1
                batch.close()
                await (await producer.send_batch(batch, name, partition=partition))
    finally:
        await producer.stop()
