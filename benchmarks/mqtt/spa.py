"""SPA: the application as its users write it, and the transport below it without core's pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from benchmarks.at_once import all_at_once
from benchmarks.brokers import HOST, mosquitto
from benchmarks.measure import Run, Stopwatch
from benchmarks.mqtt.case import CONTENT_TYPE, HEADERS, QUESTIONS, Case
from benchmarks.mqtt.load import Load, Responder
from benchmarks.reading import TOPIC, NotedReading, json_of_size
from spa_core import DistributedApplication, SocketProviderFactory, SpaMessage, SpaSocket
from spa_core.transport import ACK, SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def url(case: Case, options: str) -> str:
    """Return where the broker is; *options* are further parameters."""
    return f"mqtt://{HOST}:{mosquitto()}?qos={case.qos}{options}"


def subscribe(case: Case, options: str, messages: int) -> Run:
    """Handle messages that are decoded into their type; they are confirmed after their handler."""
    watch = Stopwatch()
    app = DistributedApplication(url(case, options))

    with Load(case, messages) as load:

        @app.application(TOPIC)
        async def handle(reading: NotedReading) -> None:  # noqa: ARG001 - decoding it is the work
            if load.handled():
                watch.stop()
                app.stop()

        @app.producer()
        async def begin() -> None:
            watch.start()
            load.begin()

        app.start()
    return watch.run(messages)


async def handle_message(message: SpaMessage) -> None:
    """Take a message."""


def subscribe_transport(case: Case, options: str, messages: int) -> Run:
    """Pull messages and settle each after an awaited handler, as core does, and nothing else of what core does."""
    watch = Stopwatch()
    provider = SocketProviderFactory.from_url(url(case, options))

    async def main(load: Load) -> None:
        spec = SubscriptionSpec(topics=(TOPIC,))
        async with provider.open(lambda _: None) as socket, socket.subscribe(spec) as subscription:
            watch.start()
            load.begin()
            while True:
                for delivery in await subscription.receive_batch(50):
                    await handle_message(delivery.message)
                    await delivery.settle(ACK)
                    if load.handled():
                        watch.stop()
                        return

    with Load(case, messages) as load:
        anyio.run(main, load)
    return watch.run(messages)


def publish(case: Case, options: str, messages: int) -> Run:
    """Publish."""
    body = json_of_size(case.size)

    async def one(socket: SpaSocket) -> None:
        await socket.publish(TOPIC, body, content_type=CONTENT_TYPE, headers=HEADERS)

    watch, _ = _with_socket(case, options, messages, one)
    return watch.run(messages)


def request(case: Case, options: str, messages: int) -> Run:
    """Ask."""
    body = json_of_size(case.size)

    async def one(socket: SpaSocket) -> None:
        await socket.request(QUESTIONS, body, content_type=CONTENT_TYPE, headers=HEADERS)

    with Responder():
        watch, latencies = _with_socket(case, options, messages, one)
    return watch.run(messages, latencies=latencies)


def _with_socket(
    case: Case, options: str, messages: int, do: Callable[[SpaSocket], Awaitable[object]]
) -> tuple[Stopwatch, list[float]]:
    watch = Stopwatch()
    provider = SocketProviderFactory.from_url(url(case, options))

    async def main() -> list[float]:
        async with provider.create_socket() as socket:
            await do(socket)  # the first request subscribes to the replies
            with watch:
                return await all_at_once(case.at_once, messages, lambda: do(socket))

    return watch, anyio.run(main)
