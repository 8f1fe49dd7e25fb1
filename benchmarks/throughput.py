"""From publish to handled in one process: small typed JSON messages, beside a plain queue and FastStream."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import faststream_peer
from benchmarks.measure import Benchmark, Stopwatch, Variant
from benchmarks.reading import TOPIC, PlainReading, Reading, as_dict, plain, reading
from spa_core import DistributedApplication, SpaSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Run

BOUND = 1000
"""Messages that may wait: what the in-memory transport allows unless told otherwise, and so the plain queue too."""


def run_spa(messages: int) -> Run:
    """Publish objects and handle them, decoded again into their type."""
    app = DistributedApplication(f"memory://benchmark?queue_size={BOUND}")
    watch = Stopwatch()
    remaining = messages

    @app.application(TOPIC)
    async def handle(reading: Reading) -> None:  # noqa: ARG001 - decoding it is the work
        nonlocal remaining
        remaining -= 1
        if not remaining:
            watch.stop()
            app.stop()

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        watch.start()
        for number in range(messages):
            await socket.publish(TOPIC, reading(number))

    app.start()
    return watch.run(messages)


def run_queue(messages: int, *, write: Callable[[int], str], read: Callable[[str], object]) -> Run:
    """Put JSON into an ``asyncio.Queue`` with a worker on the other side, as the documentation of asyncio shows it."""
    watch = Stopwatch()

    async def handle(value: object) -> None:
        """Take what was read."""

    async def work(queue: asyncio.Queue[str]) -> None:
        while True:
            await handle(read(await queue.get()))
            queue.task_done()

    async def main() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue(BOUND)
        with watch:
            worker = asyncio.create_task(work(queue))
            for number in range(messages):
                await queue.put(write(number))
            await queue.join()
        worker.cancel()

    asyncio.run(main())
    return watch.run(messages)


def write_dict(number: int) -> str:
    """Write a reading that is a dict."""
    return json.dumps(as_dict(number))


def write_typed(number: int) -> str:
    """Write a reading that is an object."""
    return json.dumps(vars(plain(number)))


def read_typed(text: str) -> PlainReading:
    """Read an object; its types are not checked."""
    return PlainReading(**json.loads(text))


BENCHMARK = Benchmark(
    name="throughput",
    goal="as fast as the queue, aim at twice; 10 times FastStream",
    messages=100_000,
    peers=True,
    variants=(
        Variant(name="SPA, memory://", run=run_spa),
        Variant(name="asyncio.Queue, json of dicts", run=partial(run_queue, write=write_dict, read=json.loads)),
        Variant(name="asyncio.Queue, json of dataclasses", run=partial(run_queue, write=write_typed, read=read_typed)),
        faststream_peer.VARIANT,
    ),
)
