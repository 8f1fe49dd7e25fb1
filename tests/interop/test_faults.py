"""The origin's faults that show only with a broker, each proved gone while its nodes are about."""

from __future__ import annotations

import os
import socket as sockets
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import DistributedApplication, FailurePolicy, SocketProviderFactory, SpaMessage, SpaSocket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from old_nodes import Bus, OldNode

    from spa_core import SocketProvider
    from spa_core.config import TransportConfig

    StartNode = Callable[..., Awaitable[OldNode]]

pytestmark = pytest.mark.anyio

on_kafka = pytest.mark.parametrize("bus", ["kafka"], indirect=True)
on_mqtt = pytest.mark.parametrize("bus", ["mqtt"], indirect=True)
with_newest = pytest.mark.parametrize("version", ["0.4.0"], indirect=True)


@on_kafka
@with_newest
async def test_topics_are_not_deleted(
    app: DistributedApplication, bus: Bus, topic: str, running: Callable[..., Awaitable[None]], start_node: StartNode
) -> None:
    """An application that ends leaves every topic it used, and none that it made for replies."""
    before = await bus.topics()
    answers: list[bytes] = []
    answered = anyio.Event()

    @app.application(topic)
    async def responder(message: SpaMessage) -> str:
        return f"re: {message.payload.decode()}"

    @app.application(f"{topic}.made")
    async def consumer(message: SpaMessage) -> None: ...

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        answers.append((await socket.request(topic, "1")).payload)
        answered.set()

    async def act() -> None:
        node = await start_node("ask", messages=[{"topic": topic, "payload": "2"}])
        answers.append((await node.said("replied"))["payload"].encode())
        await node.ended()
        await answered.wait()

    await running(app, act)

    assert sorted(answers) == [b"re: 1", b"re: 2"]
    assert await bus.topics() == before | {f"{topic}.made"}


@on_kafka
@pytest.mark.parametrize("declare", ["ensure", "off"])
async def test_consumer_before_its_topic(
    provider: SocketProvider[Any],
    bus: Bus,
    declare: str,
    running: Callable[..., Awaitable[None]],
    start_node: StartNode,
) -> None:
    """A consumer starts before its topic exists, and gets the first message that a node publishes to it."""
    app = DistributedApplication(provider.overwrite_config(declare_topics=declare, discover_interval=0.2))
    missing = f"plants.made.by.{os.urandom(4).hex()}"
    received: list[bytes] = []
    handled = anyio.Event()

    @app.application(missing)
    async def consumer(message: SpaMessage) -> None:
        received.append(message.payload)
        handled.set()

    async def act() -> None:
        if declare == "off":
            await bus.create_topics(missing)  # later, by somebody else
        node = await start_node("produce", messages=[{"topic": missing, "payload": "first"}])
        await node.said("published")
        await handled.wait()

    await running(app, act)

    assert received == [b"first"]


@on_kafka
@with_newest
@pytest.mark.parametrize("group", [None, "detectors"])
async def test_node_deletes_the_topic(
    provider: SocketProvider[Any],
    *,
    bus: Bus,
    topic: str,
    group: str | None,
    running: Callable[..., Awaitable[None]],
    start_node: StartNode,
) -> None:
    """A node that ends deletes the topics it listened to; an application that listens there too hears the next node."""
    app = DistributedApplication(provider.overwrite_config(discover_interval=0.2))
    received: list[bytes] = []
    handled = anyio.Event()

    @app.application(topic, group=group)
    async def consumer(message: SpaMessage) -> None:
        received.append(message.payload)
        if len(received) in (3, 5, 6):
            handled.set()

    async def act() -> None:
        nonlocal handled
        # Fewer each time: a topic that is gone and back between two looks is known by being shorter than it was.
        for payloads in ("123", "45", "6"):
            await bus.create_topics(topic)  # which is there the first time
            listening = await start_node("consume", topics=[topic])
            messages = [{"topic": topic, "payload": payload} for payload in payloads]
            node = await start_node("produce", messages=messages)
            await node.said("published")
            await handled.wait()
            handled = anyio.Event()
            await listening.interrupt()

    await running(app, act)

    assert received == [b"1", b"2", b"3", b"4", b"5", b"6"]


@on_kafka
async def test_asker_has_gone(
    app: DistributedApplication,
    bus: Bus,
    topic: str,
    running: Callable[..., Awaitable[None]],
    start_node: StartNode,
) -> None:
    """An answer to a node that is gone, and has deleted its response topic, is dropped; the next one is answered."""
    asked, gone = anyio.Event(), anyio.Event()
    replies: list[str] = []

    @app.application(topic, policy=FailurePolicy(attempts=1))
    async def responder(message: SpaMessage) -> str:
        if message.payload == b"1":
            asked.set()
            await gone.wait()
        return f"re: {message.payload.decode()}"

    async def act() -> None:
        questions = [{"topic": topic, "payload": payload} for payload in ("0", "1")]
        impatient = await start_node("ask", config={"client_id": f"{topic}-gone"}, messages=questions)
        replies.append((await impatient.said("replied"))["payload"])
        await asked.wait()
        await impatient.interrupt()
        gone.set()
        node = await start_node("ask", messages=[{"topic": topic, "payload": "2"}])
        replies.append((await node.said("replied"))["payload"])

    await running(app, act)

    assert replies == ["re: 0", "re: 2"]
    assert f"{topic}-gone_request_response" not in await bus.topics()


@with_newest
async def test_junk_does_not_stop_the_reader(
    app: DistributedApplication,
    config: TransportConfig,
    topic: str,
    running: Callable[..., Awaitable[None]],
    start_node: StartNode,
) -> None:
    """After bytes that are no text, an envelope cut short and one of another shape, a node's message is handled."""
    received: list[int] = []
    handled = anyio.Event()

    @app.application(topic, policy=FailurePolicy(then="drop"))
    async def consumer(body: int) -> None:
        received.append(body)
        handled.set()

    async def act() -> None:
        async with SocketProviderFactory.from_config(config).create_socket() as socket:
            for junk in (b"\xff\xfe", b'{"Payload":"1","Topic":', b'{"Payload":1,"Topic":null}'):
                await socket.publish(topic, junk)
        node = await start_node("produce", messages=[{"topic": topic, "payload": "42"}])
        await node.said("published")
        await handled.wait()

    await running(app, act)

    assert received == [42]


@with_newest
async def test_no_connection_for_each_request(
    app: DistributedApplication, bus: Bus, topic: str, start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request makes what all need; those after it, one by one or at once, open no connection."""
    opened: list[Any] = []
    connect, connect_ex = sockets.socket.connect, sockets.socket.connect_ex

    def counting(which: Callable[..., Any]) -> Callable[..., Any]:
        def count(socket: sockets.socket, address: Any) -> Any:  # noqa: ANN401 - as the family has it
            if address[1:2] == (bus.port,):
                opened.append(address)
            return which(socket, address)

        return count

    monkeypatch.setattr(sockets.socket, "connect", counting(connect))
    monkeypatch.setattr(sockets.socket, "connect_ex", counting(connect_ex))
    await start_node("answer", topics=topic)
    counts: list[int] = []

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        await socket.request(topic, "first")
        counts.append(len(opened))
        for number in range(10):
            await socket.request(topic, str(number))
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(socket.request, topic, str(number))
        counts.append(len(opened))

    with anyio.fail_after(60):
        await app.start_async()

    assert 0 < counts[0] == counts[1]


@pytest.mark.parametrize("client_id", [None, "detector"])
@with_newest
async def test_one_program_twice(
    provider: SocketProvider[Any], topic: str, client_id: str | None, start_node: StartNode
) -> None:
    """Two starts of one program, or two applications of one, do not throw each other off the broker."""
    received: dict[str, list[bytes]] = {"1a": [], "1b": [], "2a": []}
    apps = [DistributedApplication(provider) for _ in range(2)]
    if client_id is not None:
        apps = [DistributedApplication(provider.overwrite_config(client_id=client_id))]
    finished = anyio.Event()

    def listen(app: DistributedApplication, name: str) -> None:
        @app.application(topic)
        async def consumer(message: SpaMessage) -> None:
            received[name].append(message.payload)
            if all(len(each) == 20 for each in received.values()):
                finished.set()

    listen(apps[0], "1a")
    listen(apps[0], "1b")
    if len(apps) == 2:
        listen(apps[1], "2a")
    else:
        del received["2a"]

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for app in apps:
                listening = anyio.Event()

                @app.producer()
                async def ready(listening: anyio.Event = listening) -> None:
                    listening.set()

                tasks.start_soon(app.start_async)
                await listening.wait()
            for _ in range(2):
                node = await start_node(
                    "produce", messages=[{"topic": topic, "payload": str(number)} for number in range(10)]
                )
                await node.said("published")
            await finished.wait()
            for app in apps:
                app.stop()

    assert {len(each) for each in received.values()} == {20}
