"""Request and reply in memory: how long an answer takes, one request after the other and many at once."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import anyio

from benchmarks.measure import Benchmark, Stopwatch, Variant
from benchmarks.reading import TOPIC, Reading, reading
from spa_core import DistributedApplication, SpaSocket

if TYPE_CHECKING:
    from benchmarks.measure import Run


def run(requests: int, *, at_once: int) -> Run:
    """Ask *requests* times in all, by *at_once* tasks that each wait for one answer at a time."""
    app = DistributedApplication("memory://benchmark")
    watch = Stopwatch()
    latencies: list[float] = []

    @app.application(TOPIC)
    async def answer(reading: Reading) -> Reading:
        return reading

    @app.producer()
    async def ask(socket: SpaSocket) -> None:
        async def ask_often() -> None:
            for number in range(max(1, requests // at_once)):
                started = perf_counter()
                await socket.request(TOPIC, reading(number))
                latencies.append(perf_counter() - started)

        await socket.request(TOPIC, reading(0))  # the first one subscribes to the replies
        with watch:
            async with anyio.create_task_group() as tasks:
                for _ in range(at_once):
                    tasks.start_soon(ask_often)
        app.stop()

    app.start()
    return watch.run(len(latencies), latencies=latencies)


BENCHMARK = Benchmark(
    name="request",
    goal="p50 at most 100 µs one at a time",
    messages=10_000,
    variants=(
        Variant(name="one at a time", run=partial(run, at_once=1)),
        Variant(name="100 at once", run=partial(run, at_once=100)),
    ),
)
