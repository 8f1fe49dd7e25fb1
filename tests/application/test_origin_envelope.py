"""
With ``SocketConfig(payload_format=PayloadFormat.JSON, ...)`` the spa-dat envelope is on the wire, else never.

A deployed node is played by a native socket on the same broker: what it sees is what a node of the origin would see.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import (
    DistributedApplication,
    FailurePolicy,
    MessageBuilder,
    PayloadFormat,
    SocketConfig,
    SocketProviderFactory,
    SpaMessage,
    SpaSocket,
)
from spa_core.errors import EncodeError, RemoteError
from spa_inmemory import MemoryConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.anyio

TOPIC = "plants/north/flow"
CONFIG = MemoryConfig(name="origin")

# What spa-dat 0.4.0 and 0.3.0 write for a message on TOPIC, captured from the packages themselves.
WRITTEN_BY_0_4 = (
    b'{"Payload":"100.6","Topic":"plants/north/flow","ContentType":null,"ClientId":"c1","ClientName":"sensor",'
    b'"QualityOfService":2,"ResponseTopic":"plants/north/flow/request/c1","Timestamp":1690000000}'
)
WRITTEN_BY_0_3 = (
    b'{"payload":"100.6","topic":"plants/north/flow","content_type":null,"client_name":"sensor",'
    b'"response_topic":"plants/north/flow/request/c1","timestamp":1690000000}'
)


@pytest.fixture
def app() -> DistributedApplication:
    """Return an application configured as the origin's programs are."""
    config = SocketConfig(payload_format=PayloadFormat.JSON, socket_config=CONFIG)
    return DistributedApplication(SocketProviderFactory.from_config(config))


@pytest.fixture
async def node() -> AsyncIterator[SpaSocket]:
    """Return a native socket on the same broker, which sees what is on the wire."""
    async with SocketProviderFactory.from_config(CONFIG).create_socket() as socket:
        yield socket


async def alongside(app: DistributedApplication, act: Callable[[], Awaitable[None]]) -> None:
    """Run an application, and *act* as soon as it listens; stop it then."""

    @app.producer()
    async def script(**_: Any) -> None:
        await act()
        app.stop()

    with anyio.fail_after(5):
        await app.start_async()


async def test_publish_writes_the_envelope(app: DistributedApplication, node: SpaSocket) -> None:
    """What an application publishes is one JSON object with all keys of 0.4; nothing beside it repeats them."""
    wire: list[SpaMessage] = []
    await node.subscribe(TOPIC)

    @app.producer(client_id="c1", client_name="gauge")
    async def producer(socket: SpaSocket, message_builder: MessageBuilder) -> None:
        await socket.publish(
            message_builder(payload="100.6", topic=TOPIC, content_type="text/plain", timestamp=1690000000)
        )

    async def act() -> None:
        wire.append(await anext(aiter(node)))

    await alongside(app, act)

    assert json.loads(wire[0].payload) == {
        "Payload": "100.6",
        "Topic": TOPIC,
        "ContentType": "text/plain",
        "ClientId": "c1",
        "ClientName": "gauge",
        "QualityOfService": 2,
        "ResponseTopic": None,
        "Timestamp": 1690000000,
    }
    assert (wire[0].content_type, wire[0].client_id, wire[0].client_name) == (None, None, None)


@pytest.mark.parametrize("written", [WRITTEN_BY_0_4, WRITTEN_BY_0_3], ids=["0.4", "0.3"])
async def test_handler_reads_the_envelope(app: DistributedApplication, node: SpaSocket, written: bytes) -> None:
    """A handler gets the message inside, from either dialect."""
    received: list[SpaMessage] = []
    handled = anyio.Event()

    @app.application(TOPIC)
    async def consumer(message: SpaMessage) -> None:
        received.append(message)
        handled.set()

    async def act() -> None:
        await node.publish(TOPIC, written)
        await handled.wait()

    await alongside(app, act)

    (message,) = received
    assert (message.topic, message.payload, message.client_name) == (TOPIC, b"100.6", "sensor")
    assert (message.response_topic, message.timestamp) == ("plants/north/flow/request/c1", 1690000000)


async def test_handler_reads_what_is_no_envelope(app: DistributedApplication, node: SpaSocket) -> None:
    """What comes without the envelope is handed on as it is, never guessed at."""
    received: list[bytes] = []
    handled = anyio.Event()
    bare = [b"100.6", b'{"payload": 100.6, "topic": "x"}', b"\xff\xfe"]

    @app.application(TOPIC)
    async def consumer(message: SpaMessage) -> None:
        received.append(message.payload)
        if len(received) == len(bare):
            handled.set()

    async def act() -> None:
        for payload in bare:
            await node.publish(TOPIC, payload)
        await handled.wait()

    await alongside(app, act)

    assert received == bare


async def test_envelope_does_not_leak(node: SpaSocket) -> None:
    """With a plain configuration or a URL nothing is wrapped, and an envelope that arrives stays closed."""
    received: list[bytes] = []
    app = DistributedApplication("memory://origin")
    handled = anyio.Event()

    @app.application(TOPIC)
    async def consumer(message: SpaMessage) -> None:
        received.append(message.payload)
        handled.set()

    async def act() -> None:
        await node.publish(TOPIC, WRITTEN_BY_0_4)
        await handled.wait()

    await alongside(app, act)

    assert received == [WRITTEN_BY_0_4]


@pytest.mark.parametrize(
    ("written", "key"), [(WRITTEN_BY_0_4, "Payload"), (WRITTEN_BY_0_3, "payload")], ids=["0.4", "0.3"]
)
async def test_node_asks(app: DistributedApplication, node: SpaSocket, written: bytes, key: str) -> None:
    """A deployed node gets its answer on its response topic, in the dialect of its question."""
    replies: list[dict[str, Any]] = []

    @app.application(TOPIC)
    async def responder(message: SpaMessage, socket: SpaSocket) -> None:
        assert message.response_topic is not None
        await socket.publish(SpaMessage(payload=b"re: " + message.payload, topic=message.response_topic))

    async def act() -> None:
        await node.subscribe("plants/north/flow/request/c1")
        await node.publish(TOPIC, written)
        replies.append(json.loads((await anext(aiter(node))).payload))

    await alongside(app, act)

    assert replies[0][key] == "re: 100.6"
    assert len(replies[0]) == len(json.loads(written))


async def test_node_hears_no_error(app: DistributedApplication, node: SpaSocket) -> None:
    """A deployed node would take an error for its answer, so none is sent; its next question is answered."""
    replies: list[str] = []

    @app.application(TOPIC, policy=FailurePolicy(attempts=1))
    async def responder(message: SpaMessage) -> str:
        if message.client_name == "sensor":
            raise LookupError("no such plant")
        return "fine"

    async def act() -> None:
        await node.subscribe("plants/north/flow/request/c1")
        await node.publish(TOPIC, WRITTEN_BY_0_4)
        await node.publish(TOPIC, WRITTEN_BY_0_4.replace(b"sensor", b"gauge"))
        replies.append(json.loads((await anext(aiter(node))).payload)["Payload"])

    await alongside(app, act)

    assert replies == ["fine"]


async def test_node_is_asked(app: DistributedApplication, node: SpaSocket) -> None:
    """A deployed node that answers to ``ResponseTopic``, and knows of no correlation id, is understood."""
    await node.subscribe(TOPIC)
    answers: list[bytes] = []

    async def play_node() -> None:
        question = json.loads((await anext(aiter(node))).payload)
        reply = {**json.loads(WRITTEN_BY_0_4), "Payload": f"re: {question['Payload']}", "ResponseTopic": None}
        await node.publish(question["ResponseTopic"], json.dumps(reply))

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        answers.append((await socket.request(SpaMessage(payload="100.6", topic=TOPIC))).payload)
        app.stop()

    await alongside_only(app, play_node)

    assert answers == [b"re: 100.6"]


async def alongside_only(app: DistributedApplication, act: Callable[[], Awaitable[None]]) -> None:
    """Run an application that stops itself, and *act* at the same time."""
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(act)
            await app.start_async()


async def test_request_and_reply_within(app: DistributedApplication) -> None:
    """Two applications of SPA with the envelope ask and answer each other; an error is an error to the requester."""
    seen: list[Any] = []

    @app.application(TOPIC, policy=FailurePolicy(attempts=1))
    async def responder(message: SpaMessage) -> str:
        if message.payload == b"bad":
            raise LookupError("no such plant")
        return "fine"

    @app.producer()
    async def requester(socket: SpaSocket) -> None:
        seen.append((await socket.request(SpaMessage(payload="good", topic=TOPIC))).payload)
        with pytest.raises(RemoteError) as raised:
            await socket.request(SpaMessage(payload="bad", topic=TOPIC))
        seen.append((raised.value.error_type, raised.value.text))
        app.stop()

    with anyio.fail_after(5):
        await app.start_async()

    assert seen == [b"fine", ("LookupError", "no such plant")]


async def test_binary_payload(app: DistributedApplication, node: SpaSocket) -> None:
    """Bytes that are no text, which the origin never could send, are a clear error; nothing is on the wire."""
    await node.subscribe("#")
    raised: list[EncodeError] = []

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        try:
            await socket.publish(SpaMessage(payload=b"\xff\xfe", topic=TOPIC))
        except EncodeError as error:
            raised.append(error)
        await socket.publish(SpaMessage(payload="next", topic=TOPIC))

    await app.start_async()
    first = await anext(aiter(node))

    assert "not UTF-8" in raised[0].message
    assert json.loads(first.payload)["Payload"] == "next"


@pytest.mark.parametrize(
    ("written", "buried"),
    [(b"\xff\xfe", b"\xff\xfe"), (WRITTEN_BY_0_4, b"100.6")],
    ids=["not even text", "in the envelope"],
)
async def test_dead_letters(app: DistributedApplication, node: SpaSocket, written: bytes, buried: bytes) -> None:
    """A message that cannot be handled becomes a dead letter, also if it never fitted the envelope."""
    letters: list[SpaMessage] = []

    @app.application(TOPIC)
    async def consumer(body: bool) -> None:  # noqa: FBT001 - a type nothing here is of
        """Never called."""

    @app.application("dead-letters/#")
    async def undertaker(message: SpaMessage) -> None:
        letters.append(message)
        app.stop()

    async def act() -> None:
        await node.publish(TOPIC, written)
        await anyio.sleep_forever()

    await alongside(app, act)

    assert [letter.payload for letter in letters] == [buried]
    assert letters[0].headers["spa-dead-letter-error-type"] == "DecodeError"
