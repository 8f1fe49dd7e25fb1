"""The same as ``throughput`` with FastStream's in-memory test broker; not measured where it is not installed."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import TYPE_CHECKING

from benchmarks.measure import Stopwatch, Variant
from benchmarks.reading import TOPIC, PlainReading, plain

if TYPE_CHECKING:
    from benchmarks.measure import Run


def run(messages: int) -> Run:
    """Publish typed objects and handle them, decoded again into their type; its log is off, which favours it."""
    # Imported by name, because it is there only where the benchmarks are run.
    mqtt = importlib.import_module("faststream.mqtt")
    watch = Stopwatch()

    async def main() -> None:
        broker = mqtt.MQTTBroker(logger=None)
        handled = 0

        async def handle(reading: PlainReading) -> None:
            nonlocal handled
            handled += isinstance(reading, PlainReading)

        broker.subscriber(TOPIC)(handle)

        async with mqtt.TestMQTTBroker(broker, connect_only=False):
            with watch:
                for number in range(messages):
                    await broker.publish(plain(number), TOPIC)
        if handled != messages:
            text = f"FastStream handled {handled} of {messages} messages"
            raise RuntimeError(text)

    asyncio.run(main())
    return watch.run(messages)


def missing() -> str:
    """Return why it cannot be measured here; empty if it can."""
    found = all(importlib.util.find_spec(module) for module in ("faststream", "zmqtt"))
    return "" if found else "not measured: FastStream is not installed; nox -s bench installs it"


VARIANT = Variant(name="FastStream TestMQTTBroker", run=run, share=0.1, missing=missing())
