"""
A node as users of spa-dat deployed it; run by the Python of an environment that holds spa-dat 0.3.0 or 0.4.0.

It knows spa-dat and nothing of SPA. What it is to do stands in its one argument, a JSON object; what it has done it
says on standard output, one JSON object a line. A consumer runs until it is interrupted, a producer until it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import logging
import sys
from typing import Any

from spa_dat.application.application import DistributedApplication
from spa_dat.config import PayloadFormat, SocketConfig
from spa_dat.provider import SocketProviderFactory
from spa_dat.socket.kafka import KafkaConfig
from spa_dat.socket.mqtt import MqttConfig
from spa_dat.socket.typedef import SpaMessage, SpaSocket

TASK: dict[str, Any] = json.loads(sys.argv[1])
IS_0_4 = importlib.metadata.version("spa-dat").startswith("0.4.")
CONFIG = MqttConfig(**TASK["mqtt"]) if "mqtt" in TASK else KafkaConfig(**TASK["kafka"])
SOCKET_LOG = logging.getLogger("spa_dat.socket")

socket_provider = SocketProviderFactory.from_config(
    SocketConfig(payload_format=PayloadFormat.JSON, socket_config=CONFIG)
)
app = DistributedApplication(default_socket_provider=socket_provider)


def say(what: str, **facts: Any) -> None:
    """Tell the test."""
    print(json.dumps({"said": what, **facts}), flush=True)  # noqa: T201 - this is how the test hears of it


def say_message(what: str, message: SpaMessage) -> None:
    """Tell the test of a message, field by field."""
    say(what, **json.loads(message.model_dump_json()))


def make(**fields: Any) -> SpaMessage:
    """Make a message; 0.4 wants its fields under the names they have on the wire."""
    return SpaMessage(**({key.title().replace("_", ""): value for key, value in fields.items()} if IS_0_4 else fields))


async def consume(message: SpaMessage, **_: Any) -> None:
    """Tell of every message."""
    say_message("consumed", message)


async def answer(message: SpaMessage, socket: SpaSocket, **_: Any) -> None:
    """Answer every message that asks, knowing of requests only that they carry a response topic."""
    await socket.publish(make(payload=f"re: {message.payload.decode()}", topic=message.response_topic))
    say_message("answered", message)


async def produce(socket: SpaSocket, **_: Any) -> None:
    """Publish the messages of the task."""
    for fields in TASK["messages"]:
        await socket.publish(make(**fields))
    say("published")


async def request(socket: SpaSocket, fields: dict[str, Any]) -> None:
    """
    Ask until there is a reply.

    spa-dat loses the one that comes before it has begun to wait for it, whoever sends it, and would wait for ever.
    """
    while True:
        with contextlib.suppress(asyncio.TimeoutError):
            return say_message("replied", await asyncio.wait_for(socket.request(make(**fields)), timeout=2))


async def ask(socket: SpaSocket, **_: Any) -> None:
    """Send the messages of the task as requests, one after another."""
    for fields in TASK["messages"]:
        await request(socket, fields)


def ask_at_once() -> None:
    """Send the messages of the task as requests at once, each from an application of its own."""
    for fields in TASK["messages"]:

        @app.producer()
        async def ask(socket: SpaSocket, fields: dict[str, Any] = fields, **_: Any) -> None:
            await request(socket, fields)


class SayReady(logging.Handler):
    """Tell the test when the MQTT broker has confirmed a subscription; with Kafka the record comes before that."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell."""
        if "mqtt" in TASK and record.getMessage().startswith("Subscribed"):
            say("ready")


async def say_ready_on_kafka() -> None:
    """Tell the test when the consumer gets what is published from then on; spa-dat itself never knows."""
    (application,) = app.applications
    consumer = None
    while consumer is None or not consumer.assignment():
        await asyncio.sleep(0.01)
        consumer = getattr(getattr(application, "socket", None), "consumer", None)
    for partition in consumer.assignment():
        await consumer.position(partition)
    say("ready")


async def main() -> None:
    """Do the task."""
    role = TASK["role"]
    if role in {"consume", "answer"}:
        app.application(TASK["topics"])({"consume": consume, "answer": answer}[role])
    elif role == "ask at once":
        ask_at_once()
    else:
        app.producer()({"produce": produce, "ask": ask}[role])
    if "kafka" in TASK and "topics" in TASK:
        await asyncio.gather(app.start_async(), say_ready_on_kafka())
    else:
        await app.start_async()


logging.basicConfig(level=logging.WARNING)
SOCKET_LOG.setLevel(logging.INFO)
SOCKET_LOG.addHandler(SayReady())
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
