"""What is published on one side arrives on the other as it was meant, SPA to spa-dat and spa-dat to SPA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import DistributedApplication, MessageBuilder, SpaMessage, SpaSocket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from old_nodes import Bus, OldNode

pytestmark = pytest.mark.anyio

FIELDS = {
    "payload": '{"litres": "100.6 ½"}',
    "content_type": "application/json",
    "client_name": "north gauge",
    "response_topic": "plants.north.answers",
    "timestamp": 1690000000,
}
FIELDS_OF_0_4 = {"client_id": "sensor-7", "quality_of_service": 1}


async def test_node_consumes(
    app: DistributedApplication, start_node: Callable[..., Awaitable[OldNode]], topic: str, version: str
) -> None:
    """A node gets every field of what an application publishes."""
    node = await start_node("consume", topics=[topic])

    @app.producer(client_id="sensor-7", client_name="north gauge")
    async def producer(socket: SpaSocket, message_builder: MessageBuilder) -> None:
        await socket.publish(message_builder(topic=topic, **FIELDS, quality_of_service=1))

    with anyio.fail_after(60):
        await app.start_async()
        consumed = await node.said("consumed")

    more = {} if version == "0.3.0" else FIELDS_OF_0_4
    assert consumed == {"topic": topic, **FIELDS, **more}


async def test_node_consumes_the_least(
    app: DistributedApplication, start_node: Callable[..., Awaitable[OldNode]], topic: str
) -> None:
    """A node accepts a message of nothing but a payload and a topic, and those that come after it, in order."""
    node = await start_node("consume", topics=topic)

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        for number in range(5):
            await socket.publish(SpaMessage(payload=str(number), topic=topic))

    with anyio.fail_after(60):
        await app.start_async()
        consumed = [await node.said("consumed") for _ in range(5)]

    assert [message["payload"] for message in consumed] == ["0", "1", "2", "3", "4"]
    assert {message["content_type"] for message in consumed} == {None}


@pytest.mark.parametrize("bus", ["kafka"], indirect=True)
async def test_levels_on_kafka(
    app: DistributedApplication,
    running: Callable[..., Awaitable[None]],
    start_node: Callable[..., Awaitable[OldNode]],
    topic: str,
) -> None:
    """What SPA calls ``plants/north``, Kafka and its nodes call ``plants.north``, in both directions."""
    levels = topic.replace(".", "/")
    received: list[SpaMessage] = []
    handled = anyio.Event()

    @app.application(levels)
    async def consumer(message: SpaMessage) -> None:
        received.append(message)
        handled.set()

    async def act() -> None:
        consuming = await start_node("consume", topics=[topic])
        node = await start_node("produce", messages=[{"topic": topic, "payload": "from a node"}])
        await node.said("published")
        assert (await consuming.said("consumed"))["payload"] == "from a node"
        await handled.wait()
        async with app.default_socket_provider.create_socket() as socket:
            await socket.publish(levels, "from SPA")
        consumed = await consuming.said("consumed")
        assert (consumed["payload"], consumed["topic"]) == ("from SPA", topic)

    await running(app, act)

    assert (received[0].payload, received[0].topic) == (b"from a node", levels)


async def test_node_produces(
    app: DistributedApplication,
    running: Callable[..., Awaitable[None]],
    start_node: Callable[..., Awaitable[OldNode]],
    topic: str,
    version: str,
) -> None:
    """A handler gets every field of what a node publishes, and a payload decoded by its content type."""
    fields: dict[str, Any] = FIELDS if version == "0.3.0" else {**FIELDS, **FIELDS_OF_0_4}
    received: list[tuple[SpaMessage, dict[str, str]]] = []
    handled = anyio.Event()

    @app.application(topic)
    async def consumer(message: SpaMessage, body: dict[str, str]) -> None:
        received.append((message, body))
        handled.set()

    async def act() -> None:
        node = await start_node("produce", messages=[{"topic": topic, **fields}])
        await node.said("published")
        await handled.wait()

    await running(app, act)

    ((message, body),) = received
    assert body == {"litres": "100.6 ½"}
    assert message.topic == topic
    assert {name: getattr(message, name) for name in fields} == {**fields, "payload": FIELDS["payload"].encode()}


async def test_node_produces_the_least(
    app: DistributedApplication,
    running: Callable[..., Awaitable[None]],
    start_node: Callable[..., Awaitable[OldNode]],
    topic: str,
) -> None:
    """What a node leaves out is nothing to a handler, and everything a node publishes arrives, in order."""
    received: list[SpaMessage] = []
    handled = anyio.Event()

    @app.application(topic)
    async def consumer(message: SpaMessage) -> None:
        received.append(message)
        if len(received) == 100:
            handled.set()

    async def act() -> None:
        messages = [{"topic": topic, "payload": str(number)} for number in range(100)]
        node = await start_node("produce", messages=messages)
        await node.said("published")
        await handled.wait()

    await running(app, act)

    assert [message.payload for message in received] == [str(number).encode() for number in range(100)]
    assert {(each.content_type, each.client_name, each.response_topic) for each in received} == {(None, None, None)}


@pytest.mark.parametrize("bus", ["kafka"], indirect=True)
@pytest.mark.parametrize("version", ["0.4.0"], indirect=True)
async def test_one_group(
    app: DistributedApplication,
    bus: Bus,
    running: Callable[..., Awaitable[None]],
    start_node: Callable[..., Awaitable[OldNode]],
    topic: str,
) -> None:
    """A node and an application that name one group are its two members: each message goes to one of them."""
    group = f"detectors-{topic}"
    seen: list[str] = []
    complete = anyio.Event()

    def note(payload: str) -> None:
        seen.append(payload)
        if len(seen) == 10:
            complete.set()

    @app.application(topic, group=group)
    async def consumer(message: SpaMessage) -> None:
        note(message.payload.decode())

    async def listen(node: OldNode) -> None:
        while True:
            note((await node.said("consumed"))["payload"])

    async def act() -> None:
        consuming = await start_node("consume", config={"group_id": group}, topics=[topic])
        while len(await bus.members(group)) < 2:
            await anyio.lowlevel.checkpoint()
        messages = [{"topic": topic, "payload": str(number)} for number in range(10)]
        node = await start_node("produce", messages=messages)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen, consuming)
            await node.said("published")
            await complete.wait()
            tasks.cancel_scope.cancel()

    await running(app, act)

    assert sorted(seen) == [str(number) for number in range(10)]
