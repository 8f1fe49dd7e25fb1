"""Raw gmqtt; it confirms a message after its handler, in any order, and does not tell when a publish was confirmed."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import gmqtt
from gmqtt.storage import PersistentStorage

from benchmarks.at_once import all_at_once
from benchmarks.brokers import HOST, mosquitto
from benchmarks.measure import Run, Stopwatch
from benchmarks.mqtt.case import CONTENT_TYPE, HEADERS, QUESTIONS, Case
from benchmarks.mqtt.load import Load, Responder
from benchmarks.reading import TOPIC, json_of_size

PROPERTIES: dict[str, Any] = {"content_type": CONTENT_TYPE, "user_property": list(HEADERS.items())}


def client(storage: PersistentStorage | None = None) -> gmqtt.Client:
    """Return a client that is not connected yet."""
    return gmqtt.Client(None, optimistic_acknowledgement=False, persistent_storage=storage, receive_maximum=65_535)


async def subscribed(connected: gmqtt.Client, topic: str, qos: int) -> None:
    """Connect and subscribe."""
    done = asyncio.Event()
    connected.on_subscribe = lambda *_: done.set()
    await connected.connect(HOST, mosquitto())
    connected.subscribe(topic, qos=qos)
    await done.wait()


def subscribe(case: Case, messages: int) -> Run:
    """Handle messages in an async callback."""
    watch = Stopwatch()

    async def main(load: Load) -> None:
        done = asyncio.Event()
        connected = client()

        async def handle(*_: object) -> int:
            if load.handled():
                watch.stop()
                done.set()
            return 0

        connected.on_message = handle
        await subscribed(connected, TOPIC, case.qos)
        watch.start()
        load.begin()
        await done.wait()
        await asyncio.sleep(0.1)  # its last confirmations are sent after their handlers
        await connected.disconnect()

    with Load(case, messages) as load:
        asyncio.run(main(load))
    return watch.run(messages)


def publish(case: Case, messages: int) -> Run:
    """Publish as many as are at once and wait until all of them are confirmed, which is all that it tells."""
    watch, body, storage = Stopwatch(), json_of_size(case.size), PersistentStorage()

    async def main() -> None:
        connected = client(storage)
        await connected.connect(HOST, mosquitto())
        with watch:
            for start in range(0, messages, case.at_once):
                for _ in range(min(case.at_once, messages - start)):
                    connected.publish(TOPIC, body, qos=case.qos, **PROPERTIES)
                await storage.wait_empty()
                await asyncio.sleep(0)
        await connected.disconnect()

    asyncio.run(main())
    return watch.run(messages)


def request(case: Case, messages: int) -> Run:
    """Ask over one long-lived response topic, with what it takes to tell the answers apart written by hand."""
    watch, body, numbers = Stopwatch(), json_of_size(case.size), itertools.count(1)
    waiting: dict[bytes, asyncio.Future[None]] = {}

    async def main() -> list[float]:
        connected = client()

        def take(_client: object, _topic: str, _body: bytes, _qos: int, found: dict[str, Any]) -> int:
            waiting.pop(found["correlation_data"][0]).set_result(None)
            return 0

        connected.on_message = take
        await subscribed(connected, "answers/bench", 1)

        async def ask() -> None:
            number = str(next(numbers)).encode()
            answer = waiting[number] = asyncio.get_running_loop().create_future()
            address = {"response_topic": "answers/bench", "correlation_data": number}
            connected.publish(QUESTIONS, body, qos=1, **PROPERTIES, **address)
            await answer

        with watch:
            latencies = await all_at_once(case.at_once, messages, ask)
        await connected.disconnect()
        return latencies

    with Responder():
        latencies = asyncio.run(main())
    return watch.run(messages, latencies=latencies)
