"""FastStream over its own MQTT client; its log is off, which favours it."""

from __future__ import annotations

import asyncio

from faststream.mqtt import MQTTBroker, QoS

from benchmarks.at_once import all_at_once
from benchmarks.brokers import HOST, mosquitto
from benchmarks.measure import Run, Stopwatch
from benchmarks.mqtt.case import HEADERS, QUESTIONS, Case
from benchmarks.mqtt.load import Load, Responder
from benchmarks.reading import TOPIC, PlainNotedReading, json_of_size


def broker() -> MQTTBroker:
    """Return a broker object that is not connected yet."""
    return MQTTBroker(f"mqtt://{HOST}:{mosquitto()}", logger=None)


def subscribe(case: Case, messages: int) -> Run:
    """Handle messages that are decoded into their type; they are confirmed after their handler."""
    watch = Stopwatch()

    async def main(load: Load) -> None:
        connected, done = broker(), asyncio.Event()

        @connected.subscriber(TOPIC, qos=QoS(case.qos))
        async def handle(reading: PlainNotedReading) -> None:  # noqa: ARG001 - decoding it is the work
            if load.handled():
                watch.stop()
                done.set()

        async with connected:
            await connected.start()
            watch.start()
            load.begin()
            await done.wait()

    with Load(case, messages) as load:
        asyncio.run(main(load))
    return watch.run(messages)


def publish(case: Case, messages: int) -> Run:
    """Publish text, since it gives bytes no content type."""
    watch, body = Stopwatch(), json_of_size(case.size).decode()

    async def main() -> None:
        async with broker() as connected:
            await connected.start()
            with watch:
                await all_at_once(
                    case.at_once,
                    messages,
                    lambda: connected.publish(body, TOPIC, qos=QoS(case.qos), headers=HEADERS),
                )

    asyncio.run(main())
    return watch.run(messages)


def request(case: Case, messages: int) -> Run:
    """Ask; it subscribes and unsubscribes for each request."""
    watch, body = Stopwatch(), json_of_size(case.size).decode()

    async def main() -> list[float]:
        async with broker() as connected:
            await connected.start()
            with watch:
                return await all_at_once(
                    case.at_once,
                    messages,
                    lambda: connected.request(body, QUESTIONS, timeout=30, qos=QoS.AT_LEAST_ONCE, headers=HEADERS),
                )

    with Responder():
        latencies = asyncio.run(main())
    return watch.run(messages, latencies=latencies)
