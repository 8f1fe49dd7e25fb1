"""The rows of the origin's interface about callbacks, messages and message builders."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import DistributedApplication, MessageBuilder, SpaMessage, SpaSocket

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

TOPIC = "plants/north"

FIELDS = {
    "payload": b"100.6",
    "topic": TOPIC,
    "content_type": "text/plain",
    "client_name": "gauge",
    "response_topic": "replies",
    "timestamp": 1690000000,
    "client_id": "c1",
    "quality_of_service": 1,
}
"""Every field of a message of the origin."""


def fields_of(message: SpaMessage) -> dict[str, Any]:
    """Return the origin's fields of a message."""
    return {name: getattr(message, name) for name in FIELDS}


async def received_by(handler: Callable[..., Any], **options: Any) -> None:
    """Have *handler* called with one message."""
    app = DistributedApplication("memory://origin")

    @app.application(TOPIC, **options)
    @wraps(handler)
    async def consumer(**given: Any) -> None:
        await handler(**given)
        app.stop()

    @app.producer()
    async def producer(socket: SpaSocket) -> None:
        await socket.publish(SpaMessage(**FIELDS))

    with anyio.fail_after(5):
        await app.start_async()


async def test_consumer_callback_named() -> None:
    """A consumer that names what it needs gets that by keyword and nothing else."""
    seen: list[Any] = []

    async def callback(*, message: SpaMessage, socket: SpaSocket, state: int) -> None:
        seen.extend([message.payload, socket.connected, state])

    await received_by(callback, state=7)

    assert seen == [b"100.6", True, 7]


async def test_consumer_callback_all() -> None:
    """A consumer with ``**kwargs`` gets all there is: message, socket, state, message builder and every resource."""
    seen: dict[str, Any] = {}

    async def callback(**kwargs: Any) -> None:
        seen.update(kwargs)

    await received_by(callback, state=7, ressources={"meter": 1, "database": 2})

    assert sorted(seen) == ["database", "message", "message_builder", "meter", "socket", "state"]
    assert (seen["state"], seen["meter"], seen["database"]) == (7, 1, 2)
    assert isinstance(seen["message"], SpaMessage)
    assert isinstance(seen["socket"], SpaSocket)
    assert isinstance(seen["message_builder"], MessageBuilder)


async def test_consumer_callback_rest() -> None:
    """A consumer that names some and takes the rest gets the state as ``None`` if there is none, as in the origin."""
    seen: dict[str, Any] = {}

    async def callback(message: SpaMessage, socket: SpaSocket, **kwargs: Any) -> None:  # noqa: ARG001 - named, not used
        seen.update(kwargs)

    await received_by(callback)

    assert sorted(seen) == ["message_builder", "state"]
    assert seen["state"] is None


async def test_producer_callback() -> None:
    """A producer gets the same but for a message."""
    seen: dict[str, Any] = {}
    app = DistributedApplication("memory://origin")

    @app.producer(state=7, ressources={"meter": 1})
    async def producer(**kwargs: Any) -> None:
        seen.update(kwargs)

    await app.start_async()

    assert sorted(seen) == ["message_builder", "meter", "socket", "state"]


async def test_message_travels() -> None:
    """A message arrives with every field of the origin's as it was sent."""
    seen: list[SpaMessage] = []

    async def callback(message: SpaMessage) -> None:
        seen.append(message)

    await received_by(callback)

    assert [fields_of(message) for message in seen] == [FIELDS]


def test_spa_message() -> None:
    """A message takes every field of the origin's by keyword; all but payload and topic may be left out."""
    assert fields_of(SpaMessage(**FIELDS)) == FIELDS

    short = fields_of(SpaMessage(payload=b"", topic=TOPIC))
    unset = {name: value for name, value in short.items() if name not in ("payload", "topic", "timestamp")}
    assert set(unset.values()) == {None}


@pytest.mark.parametrize("payload", ["Füllstand", "Füllstand".encode()], ids=["str", "bytes"])
def test_spa_message_payload(payload: bytes | str) -> None:
    """A payload is given as bytes or as str and always read as bytes."""
    assert SpaMessage(payload=payload, topic=TOPIC).payload == "Füllstand".encode()
    assert SpaMessage.build(TOPIC, payload).payload == "Füllstand".encode()


def test_spa_message_is_frozen() -> None:
    """A message never changes; the origin's request() wrote a response topic into the caller's."""
    message = SpaMessage(**FIELDS)

    with pytest.raises(AttributeError):
        message.response_topic = "elsewhere"  # type: ignore[misc]
    assert message.replace(response_topic="elsewhere").response_topic == "elsewhere"


def test_spa_message_build() -> None:
    """
    ``build`` takes topic and payload by position or keyword and the other fields by keyword; none of them is lost.

    The origin's lost the content type and the response topic, whose names it misspelt.
    """
    rest = {name: value for name, value in FIELDS.items() if name not in ("topic", "payload")}

    assert fields_of(SpaMessage.build(TOPIC, b"100.6", **rest)) == FIELDS
    assert fields_of(SpaMessage.build(topic=TOPIC, payload=b"100.6", **rest)) == FIELDS


async def test_message_builder() -> None:
    """The builder is ``build`` bound to the application's identity, which a call may override."""
    built: list[SpaMessage] = []

    async def callback(message: SpaMessage, message_builder: MessageBuilder) -> None:
        built.append(message_builder(payload="x", topic=message.response_topic or ""))
        built.append(message_builder(message.topic, b"x", client_id="c3", client_name="other", quality_of_service=1))

    await received_by(callback, client_id="c2", client_name="detector")

    first, second = built
    assert (first.topic, first.payload, first.client_id, first.client_name) == ("replies", b"x", "c2", "detector")
    assert (second.topic, second.client_id, second.client_name, second.quality_of_service) == (TOPIC, "c3", "other", 1)
