"""Raw aiomqtt, used as its documentation shows it; it confirms a message when it arrives, whatever becomes of it."""

from __future__ import annotations

import asyncio
import itertools

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.at_once import all_at_once
from benchmarks.brokers import HOST, mosquitto
from benchmarks.measure import Run, Stopwatch
from benchmarks.mqtt.case import CONTENT_TYPE, HEADERS, QUESTIONS, Case
from benchmarks.mqtt.load import Load, Responder
from benchmarks.reading import TOPIC, json_of_size

NODELAY = [(6, 1, 1)]
"""IPPROTO_TCP, TCP_NODELAY, on: without it every round trip takes 40 ms more."""


def client() -> aiomqtt.Client:
    """Return a client that is not connected yet."""
    options = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client(HOST, mosquitto(), protocol=options, socket_options=NODELAY, max_inflight_messages=1000)


def properties(address: str | None = None, correlation: bytes | None = None) -> Properties:
    """Return the properties of one message, made for each message as its headers are."""
    made = Properties(PacketTypes.PUBLISH)
    made.ContentType = CONTENT_TYPE
    made.UserProperty = list(HEADERS.items())
    if address is not None:
        made.ResponseTopic, made.CorrelationData = address, correlation
    return made


async def handle(message: aiomqtt.Message) -> None:
    """Take a message."""


def subscribe(case: Case, messages: int) -> Run:
    """Iterate over the messages and await a handler for each."""
    watch = Stopwatch()

    async def main(load: Load) -> None:
        async with client() as connected:
            await connected.subscribe(TOPIC, qos=case.qos)
            watch.start()
            load.begin()
            async for message in connected.messages:
                await handle(message)
                if load.handled():
                    watch.stop()
                    return

    with Load(case, messages) as load:
        asyncio.run(main(load))
    return watch.run(messages)


def publish(case: Case, messages: int) -> Run:
    """Publish."""
    watch, body = Stopwatch(), json_of_size(case.size)

    async def main() -> None:
        async with client() as connected:
            connected.pending_calls_threshold = case.at_once + 1  # above it, it logs a warning for each call
            with watch:
                await all_at_once(
                    case.at_once,
                    messages,
                    lambda: connected.publish(TOPIC, body, qos=case.qos, properties=properties()),
                )

    asyncio.run(main())
    return watch.run(messages)


def request(case: Case, messages: int) -> Run:
    """Ask over one long-lived response topic, with what it takes to tell the answers apart written by hand."""
    watch, body, numbers = Stopwatch(), json_of_size(case.size), itertools.count(1)
    waiting: dict[bytes, asyncio.Future[bytes]] = {}

    async def main() -> list[float]:
        async with client() as connected:
            connected.pending_calls_threshold = case.at_once + 1
            await connected.subscribe("answers/bench", qos=1)

            async def ask() -> None:
                number = str(next(numbers)).encode()
                answer = waiting[number] = asyncio.get_running_loop().create_future()
                await connected.publish(QUESTIONS, body, qos=1, properties=properties("answers/bench", number))
                await answer

            async def read() -> None:
                async for message in connected.messages:
                    assert message.properties is not None  # noqa: S101 - it speaks MQTT 5
                    waiting.pop(message.properties.CorrelationData).set_result(message.payload)

            reading = asyncio.create_task(read())
            with watch:
                latencies = await all_at_once(case.at_once, messages, ask)
            reading.cancel()
            return latencies

    with Responder():
        latencies = asyncio.run(main())
    return watch.run(messages, latencies=latencies)
