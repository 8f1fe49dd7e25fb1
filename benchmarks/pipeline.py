"""What core costs above any transport: receive, decode, inject, call, settle."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from benchmarks.measure import Benchmark, Stopwatch, Variant
from benchmarks.reading import TOPIC, Reading, reading
from benchmarks.scripted import Scripted, ScriptedProvider
from spa_core import DistributedApplication, SpaMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.measure import Run

KEYS = 100


async def handle(reading: Reading) -> None:
    """Take the decoded body."""


async def handle_with_level(reading: Reading, plant: str) -> None:
    """Take the decoded body and a level of the topic."""


def run(messages: int, *, handler: Callable[..., Awaitable[None]], topic: str = TOPIC, concurrency: int = 1) -> Run:
    """Let an application handle prepared messages."""
    watch = Stopwatch()
    app = DistributedApplication()
    provider = ScriptedProvider(prepared(messages), on_first=watch.start, on_last=app.stop)
    app.application(topic, socket_provider=provider, concurrency=concurrency)(handler)
    app.start()
    watch.stop()
    return watch.run(messages)


def prepared(count: int) -> list[Scripted]:
    """Return deliveries of typed JSON messages with keys, as a transport would hand them out."""
    encode = msgspec.json.Encoder().encode
    return [
        Scripted(
            SpaMessage(
                topic=TOPIC,
                payload=encode(reading(number)),
                content_type="application/json",
                key=str(number % KEYS).encode(),
            )
        )
        for number in range(count)
    ]


BENCHMARK = Benchmark(
    name="pipeline",
    goal="at most 10 µs, aim at 5",
    messages=100_000,
    variants=(
        Variant(name="one at a time", run=partial(run, handler=handle)),
        Variant(
            name="one at a time, topic parameter",
            run=partial(run, handler=handle_with_level, topic="plants/{plant}/flow"),
        ),
        Variant(name="concurrency=8, 100 keys", run=partial(run, handler=handle, concurrency=8)),
    ),
)
