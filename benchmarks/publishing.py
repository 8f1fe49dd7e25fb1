"""What publishing costs by itself: into the queue of a subscriber that does not read yet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from benchmarks.measure import Benchmark, Stopwatch, Variant
from benchmarks.reading import TOPIC, reading
from spa_core import SocketProviderFactory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.measure import Run
    from spa_core import SpaMessage, SpaSocket

    Publish = Callable[[SpaSocket, int, Stopwatch], Awaitable[None]]

BATCH = 100


async def objects(socket: SpaSocket, count: int, watch: Stopwatch) -> None:
    """Publish objects to a topic."""
    with watch:
        for number in range(count):
            await socket.publish(TOPIC, reading(number))


async def messages(socket: SpaSocket, count: int, watch: Stopwatch) -> None:
    """Publish messages made before."""
    made = ready_made(socket, count)
    with watch:
        for message in made:
            await socket.publish(message)


async def batches(socket: SpaSocket, count: int, watch: Stopwatch) -> None:
    """Publish messages made before, a hundred at once."""
    made = ready_made(socket, count)
    with watch:
        for start in range(0, count, BATCH):
            await socket.publish_many(made[start : start + BATCH])


def ready_made(socket: SpaSocket, count: int) -> list[SpaMessage]:
    """Return messages that carry the socket's identity."""
    return [socket.message_builder(TOPIC, reading(number)) for number in range(count)]


def run(count: int, *, publish: Publish) -> Run:
    """Publish to one subscriber with room for all messages."""
    watch = Stopwatch()

    async def main() -> None:
        provider = SocketProviderFactory.from_url(f"memory://benchmark?queue_size={count}")
        async with provider.create_socket() as subscriber, provider.create_socket() as socket:
            await subscriber.subscribe(TOPIC)
            await publish(socket, count, watch)

    anyio.run(main)
    return watch.run(count)


BENCHMARK = Benchmark(
    name="publish",
    goal="",
    messages=50_000,
    variants=(
        Variant(name="publish(topic, object)", run=partial(run, publish=objects)),
        Variant(name="publish(message)", run=partial(run, publish=messages)),
        Variant(name=f"publish_many({BATCH} messages)", run=partial(run, publish=batches)),
    ),
)
