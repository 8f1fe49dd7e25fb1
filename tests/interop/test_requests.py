"""Requests in both directions: the response topic is all that ties a node's reply to its request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest

from spa_core import DistributedApplication, SpaMessage, SpaSocket
from spa_core.envelopes import SpaDatEnvelope
from spa_core.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from old_nodes import OldNode

    from spa_core import SocketProvider

    StartNode = Callable[..., Awaitable[OldNode]]

pytestmark = pytest.mark.anyio

QUESTIONS = [str(number) for number in range(5)]
ANSWERS = [f"re: {number}" for number in range(5)]


async def test_node_answers(app: DistributedApplication, start_node: StartNode, topic: str) -> None:
    """An application's requests are answered by a node, one after another."""
    await start_node("answer", topics=topic)
    answers: list[str] = []

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        for question in QUESTIONS:
            reply = await socket.request(SpaMessage(payload=question, topic=topic), timeout=10)
            answers.append(reply.payload.decode())

    with anyio.fail_after(60):
        await app.start_async()

    assert answers == ANSWERS


async def test_node_answers_at_once(app: DistributedApplication, start_node: StartNode, topic: str) -> None:
    """Of requests under way at the same time each gets its own answer from a node."""
    await start_node("answer", topics=topic)
    answers: dict[str, str] = {}

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        async def ask(question: str) -> None:
            reply = await socket.request(topic, question, timeout=10)
            answers[question] = reply.payload.decode()

        async with anyio.create_task_group() as tasks:
            for question in QUESTIONS:
                tasks.start_soon(ask, question)

    with anyio.fail_after(60):
        await app.start_async()

    assert answers == dict(zip(QUESTIONS, ANSWERS, strict=True))


async def test_late_answer_is_nobody_elses(app: DistributedApplication, start_node: StartNode, topic: str) -> None:
    """An answer that comes after its request has given up is not taken for that of the next one."""
    silent, answers = f"{topic}-silent", []

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        node = await start_node("consume", topics=[silent])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.request, silent, "never answered")
            asked = await node.said("consumed")
            tasks.cancel_scope.cancel()
        await start_node("answer", topics=topic)
        late = await start_node("produce", messages=[{"topic": asked["response_topic"], "payload": "too late"}])
        await late.said("published")
        answers.append((await socket.request(topic, "now", timeout=10)).payload)

    with anyio.fail_after(60):
        await app.start_async()

    assert answers == [b"re: now"]


@pytest.mark.parametrize("way", ["returning", "publishing", "replying"])
async def test_node_asks(
    app: DistributedApplication, running: Callable[..., Awaitable[None]], start_node: StartNode, topic: str, way: str
) -> None:
    """A node's requests are answered by a handler: by its return value, by publishing, or by ``socket.reply``."""
    replies: list[str] = []

    @app.application(topic)
    async def responder(message: SpaMessage, socket: SpaSocket) -> str | None:
        answer = f"re: {message.payload.decode()}"
        if way == "returning":
            return answer
        if way == "publishing":
            await socket.publish(SpaMessage(payload=answer, topic=message.response_topic))  # type: ignore[arg-type]
        else:
            await socket.reply(message, answer)
        return None

    async def act() -> None:
        node = await start_node("ask", messages=[{"topic": topic, "payload": each} for each in QUESTIONS])
        replies.extend([(await node.said("replied"))["payload"] for _ in QUESTIONS])

    await running(app, act)

    assert replies == ANSWERS


async def test_nodes_ask_at_once(
    app: DistributedApplication, running: Callable[..., Awaitable[None]], start_node: StartNode, topic: str
) -> None:
    """Of several nodes that ask at the same time each gets its own answer."""
    replies: list[str] = []

    @app.application(topic, concurrency=5)
    async def responder(message: SpaMessage) -> str:
        return f"re: {message.payload.decode()}"

    async def act() -> None:
        node = await start_node("ask at once", messages=[{"topic": topic, "payload": each} for each in QUESTIONS])
        replies.extend([(await node.said("replied"))["payload"] for _ in QUESTIONS])

    await running(app, act)

    assert sorted(replies) == ANSWERS


@pytest.mark.parametrize("version", ["0.4.0"], indirect=True)
@pytest.mark.parametrize("dialect", ["0.3", "0.4"])
async def test_mixed_fleet(
    provider: SocketProvider[Any],
    running: Callable[..., Awaitable[None]],
    start_node: StartNode,
    topic: str,
    dialect: Literal["0.3", "0.4"],
) -> None:
    """Nodes of both versions are heard, and each is answered in its own dialect, whatever is written elsewhere."""
    app = DistributedApplication(provider.with_envelope(SpaDatEnvelope(dialect)))
    replies: list[str] = []

    @app.application(topic)
    async def responder(message: SpaMessage) -> str:
        return f"re: {message.payload.decode()}"

    async def act() -> None:
        old, new = [
            await start_node("ask", of=version, messages=[{"topic": topic, "payload": version}])
            for version in ("0.3.0", "0.4.0")
        ]
        replies.extend([(await node.said("replied"))["payload"] for node in (old, new)])

    await running(app, act)

    assert replies == ["re: 0.3.0", "re: 0.4.0"]


@pytest.mark.parametrize("bus", ["mqtt"], indirect=True)
async def test_over_mqtt_3_1_1(
    provider: SocketProvider[Any], running: Callable[..., Awaitable[None]], start_node: StartNode, topic: str
) -> None:
    """Where the protocol has no place for headers they are refused: a node could not read what carries them else."""
    provider = provider.overwrite_config(protocol="3.1.1")
    app = DistributedApplication(provider)
    asked, answers = f"{topic}/asked", []

    @app.application(topic)
    async def responder(message: SpaMessage) -> str:
        return f"re: {message.payload.decode()}"

    async def act() -> None:
        await start_node("answer", topics=asked)
        async with provider.create_socket() as socket:
            with pytest.raises(CapabilityError):
                await socket.publish(asked, "0", headers={"by": "spa"})
            answers.append((await socket.request(asked, "1", timeout=10)).payload.decode())
        node = await start_node("ask", messages=[{"topic": topic, "payload": "2"}])
        answers.append((await node.said("replied"))["payload"])

    await running(app, act)

    assert answers == ["re: 1", "re: 2"]
