"""A million messages through: the memory of the process must not grow with their number."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Benchmark, Stopwatch, Variant
from benchmarks.reading import TOPIC, Reading, reading
from spa_core import DistributedApplication, SpaSocket

if TYPE_CHECKING:
    from benchmarks.measure import Run

STATUS = Path("/proc/self/statm")
WARM_UP = 0.1
"""The part of the messages after which the process has reached its size."""

SAMPLES = 100


def run(messages: int) -> Run:
    """Measure in a new process: what an earlier benchmark has freed would hide what this one takes."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        return processes.submit(publish_and_handle, messages).result()


def publish_and_handle(messages: int) -> Run:
    """Publish and handle, looking at the memory a hundred times on the way."""
    app = DistributedApplication("memory://benchmark")
    watch = Stopwatch()
    handled = size = growth = 0
    step = max(1, messages // SAMPLES)

    @app.application(TOPIC)
    async def handle(reading: Reading) -> None:  # noqa: ARG001 - decoding it is the work
        nonlocal handled, size, growth
        handled += 1
        if handled == messages:
            watch.stop()
            app.stop()
        if handled % step == 0:
            now = resident()
            size = size if handled > messages * WARM_UP else now
            growth = max(growth, now - size)

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        watch.start()
        for number in range(messages):
            await socket.publish(TOPIC, reading(number))

    app.start()
    return watch.run(messages, growth=growth)


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(STATUS.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


BENCHMARK = Benchmark(
    name="memory",
    goal="flat",
    messages=1_000_000,
    rounds=1,
    variants=(
        Variant(
            name="SPA, memory://",
            run=run,
            missing="" if STATUS.exists() else f"not measured: there is no {STATUS} on this system",
        ),
    ),
)
