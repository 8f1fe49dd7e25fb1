"""Publishing: what may be given, what goes out, and what is refused before anything goes out."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from spa_core import MessageBuilder, SpaMessage, SpaSocket
from spa_core.codecs import CodecRegistry
from spa_core.errors import (
    CapabilityError,
    ConnectError,
    EncodeError,
    MessageTooLargeError,
    PublishRefusedError,
    SocketClosedError,
    TopicError,
    UnknownContentTypeError,
)
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.conftest import Broker

pytestmark = pytest.mark.anyio


class Reading(msgspec.Struct):
    """A value with a type."""

    litres: float


class Plant(enum.StrEnum):
    """Topics by name."""

    NORTH = "plants/north"


# -- the shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "payload", "content_type"),
    [
        (b"\x00\xff", b"\x00\xff", None),
        (bytearray(b"ab"), b"ab", None),
        (memoryview(b"ab"), b"ab", None),
        ("größe", "größe".encode(), None),
        ("", b"", None),
        ({"litres": 7}, b'{"litres":7}', "application/json"),
        (Reading(7.5), b'{"litres":7.5}', "application/json"),
        ([1, 2], b"[1,2]", "application/json"),
        (7, b"7", "application/json"),
        (False, b"false", "application/json"),
        (None, b"", None),
    ],
)
async def test_a_value_to_a_topic(broker: Broker, value: object, payload: bytes, content_type: str | None) -> None:
    """Bytes and text go out as they are, any other object through the codec, and the message says in which."""
    async with broker.provider().create_socket() as socket:
        await socket.publish("plants/north", value)

    (message,) = broker.published
    assert (message.topic, message.payload, message.content_type) == ("plants/north", payload, content_type)


async def test_a_whole_message(broker: Broker) -> None:
    """A complete message goes out as it is, but for who sends it."""
    message = SpaMessage(topic="a", payload=b"x", key="k", headers={"h": "1"}, retain=True, ttl=3.0)
    async with broker.provider(client_id="c", client_name="n").create_socket() as socket:
        await socket.publish(message)

    (sent,) = broker.published
    assert sent == message.replace(client_id="c", client_name="n")


async def test_further_fields(broker: Broker) -> None:
    """With a topic every other field of a message may be given beside the value."""
    async with broker.provider().create_socket() as socket:
        await socket.publish("a", {"n": 1}, key="k", headers={"h": "1"}, content_type="application/msgpack", ttl=3.0)

    (sent,) = broker.published
    assert msgspec.msgpack.decode(sent.payload) == {"n": 1}
    assert (sent.key, sent.headers["h"], sent.content_type, sent.ttl) == (b"k", "1", "application/msgpack", 3.0)


async def test_a_topic_alone(broker: Broker) -> None:
    """Without a value the payload is empty."""
    async with broker.provider().create_socket() as socket:
        await socket.publish("a")

    assert broker.published[0].payload == b""


async def test_a_member_of_an_enumeration_is_a_topic(broker: Broker) -> None:
    """Topics may be members of an enumeration of strings."""
    async with broker.provider().create_socket() as socket:
        await socket.publish(Plant.NORTH, b"x")
        await socket.publish(SpaMessage(topic=Plant.NORTH))

    assert [str.__str__(message.topic) for message in broker.published] == ["plants/north"] * 2


@pytest.mark.parametrize("extra", [{"value": b"lost"}, {"key": "lost"}, {"value": {"n": 1}, "ttl": 1.0}])
@pytest.mark.parametrize("call", [SpaSocket.publish, SpaSocket.request])
async def test_a_whole_message_takes_nothing_beside_it(
    broker: Broker, call: Callable[..., Any], extra: dict[str, Any]
) -> None:
    """A value or field beside a complete message would be lost without a word; it is refused."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(TypeError, match="beside a complete message"):
            await call(socket, SpaMessage(topic="a"), **extra)

    assert broker.published == []


@pytest.mark.parametrize("what", [7, None, b"topic", {"topic": "a"}])
async def test_neither_a_topic_nor_a_message(broker: Broker, what: Any) -> None:  # noqa: ANN401 - what the type forbids
    """Anything else is refused with words that say what may be given."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(TypeError, match="a message or a topic"):
            await socket.publish(what)


async def test_an_unknown_field(broker: Broker) -> None:
    """A misspelt field is an error, not lost."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(TypeError, match="hedaers"):
            await socket.publish("a", b"", hedaers={})  # type: ignore[call-arg]


# -- identity ----------------------------------------------------------------------------------------------------------


async def test_messages_carry_who_sent_them(broker: Broker) -> None:
    """What a message does not say about its sender the socket fills in; what it says stays."""
    async with broker.provider(client_id="c", client_name="n").create_socket() as socket:
        await socket.publish("a")
        await socket.publish(SpaMessage(topic="a"))
        await socket.publish(SpaMessage(topic="a", client_name="mine"))
        await socket.publish(SpaMessage(topic="a", client_id="other"))

    assert [(m.client_id, m.client_name) for m in broker.published] == [
        ("c", "n"),
        ("c", "n"),
        ("c", "mine"),
        ("other", None),
    ]


async def test_two_sockets_are_two_clients(broker: Broker) -> None:
    """Without a configured id each socket has its own: two starts of a program do not throw each other off."""
    provider = broker.provider()

    assert provider.create_socket().client_id != provider.create_socket().client_id


# -- refused before anything goes out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "nul\x00"])
async def test_a_topic_that_is_none(broker: Broker, topic: str) -> None:
    """An invalid topic is refused before the transport is asked."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(TopicError):
            await socket.publish(topic, b"x")
        with pytest.raises(TopicError):
            await socket.publish(SpaMessage(topic=topic))
        with pytest.raises(TopicError):
            await socket.request(topic)

    assert "publish" not in broker.calls


@pytest.mark.parametrize(
    ("missing", "fields"),
    [
        ("headers", {"headers": {"h": "1"}}),
        ("key", {"key": b"k"}),
        ("ttl", {"ttl": 1.0}),
        ("retain", {"retain": True}),
        ("unicode_topics", {"topic": "größe"}),
    ],
)
async def test_what_would_be_lost_is_refused(broker: Broker, missing: str, fields: dict[str, Any]) -> None:
    """A field that the transport does not carry is refused with its name; it is never dropped silently."""
    able = {"headers": True, "key": True, "ttl": True, "retain": True, "unicode_topics": True, missing: False}
    provider = broker.provider(capabilities=Capabilities(**able))
    async with provider.create_socket() as socket:
        with pytest.raises(CapabilityError) as caught:
            await socket.publish(SpaMessage(**{"topic": "a", **fields}))
        await socket.publish("plain", b"x")

    assert caught.value.capability == missing
    assert [message.topic for message in broker.published] == ["plain"]


async def test_a_message_that_is_too_large(broker: Broker) -> None:
    """The size is checked before sending: one byte more than allowed is refused, the limit itself is not."""
    provider = broker.provider(capabilities=Capabilities(max_payload=4, unicode_topics=True))
    async with provider.create_socket() as socket:
        with pytest.raises(MessageTooLargeError) as caught:
            await socket.publish("a", b"12345")
        await socket.publish("a", b"1234")

    assert (caught.value.size, caught.value.limit) == (5, 4)
    assert len(broker.published) == 1


async def test_what_no_codec_writes(broker: Broker) -> None:
    """An object that cannot be encoded, or a content type without a codec, is an error before sending."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(EncodeError):
            await socket.publish("a", object())
        with pytest.raises(UnknownContentTypeError):
            await socket.publish("a", {"n": 1}, content_type="application/unheard-of")

    assert "publish" not in broker.calls


@pytest.mark.parametrize("fields", [{"value": "hunter2\ud800"}, {"value": "fits", "key": "hunter2\ud800"}])
async def test_text_that_is_no_unicode(broker: Broker, fields: dict[str, Any]) -> None:
    """A payload or a key with a lone surrogate is an ``EncodeError`` that does not repeat the text."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(EncodeError, match="cannot be written") as caught:
            await socket.publish("letters", **fields)

    assert "hunter2" not in str(caught.value)
    assert "publish" not in broker.calls


async def test_the_transports_no_reaches_the_publisher(broker: Broker) -> None:
    """What the transport refuses with comes out as it is."""
    error = PublishRefusedError("no", topic="a", reason="not allowed")
    broker.refuse = lambda call, _message: error if call == "publish" else None
    async with broker.provider().create_socket() as socket:
        with pytest.raises(PublishRefusedError) as caught:
            await socket.publish("a")

    assert caught.value is error


async def test_a_closed_socket(broker: Broker) -> None:
    """Before it is opened and after it is closed, every use of a socket says so, and how to use it."""
    socket = broker.provider().create_socket()
    message = SpaMessage(topic="a")
    uses: list[Callable[[], Any]] = [
        lambda: socket.publish("a"),
        lambda: socket.publish(message),
        lambda: socket.publish_many([message]),
        lambda: socket.request("a"),
        lambda: socket.subscribe("a"),
        lambda: socket.unsubscribe("a"),
        socket.check,
        socket.stop_fetching,
        lambda: socket.reply(SpaMessage(topic="a", response_topic="b"), b""),
        lambda: anext(aiter(socket)),
    ]
    for use in uses:
        with pytest.raises(SocketClosedError, match="async with"):
            await use()
    async with socket:
        await socket.check()
    for use in uses:
        with pytest.raises(SocketClosedError, match="async with"):
            await use()

    assert broker.published == []


# -- hooks -------------------------------------------------------------------------------------------------------------


async def test_changes_are_made_in_order_to_everything(broker: Broker) -> None:
    """Each change sees what the one before made; requests, replies and dead letters go through it too."""

    def stamp(letter: str) -> Callable[[SpaMessage], SpaMessage]:
        return lambda message: message.replace(
            headers={**message.headers, "seen": message.headers.get("seen", "") + letter}
        )

    broker.somebody_listens = ...
    socket = SpaSocket(broker.provider(), before_publish=[stamp("a"), stamp("b")])
    async with socket:
        await socket.publish("one")
        await socket.publish_many([SpaMessage(topic="two")])
        await socket.reply(SpaMessage(topic="x", response_topic="three"), b"")
        await socket.publish_letter(SpaMessage(topic="four"))
        with pytest.raises(Exception, match="nobody listens"):
            await socket.request("five")

    assert [(message.topic, message.headers["seen"]) for message in broker.published] == [
        ("one", "ab"),
        ("two", "ab"),
        ("three", "ab"),
        ("four", "ab"),
        ("five", "ab"),
    ]


async def test_a_change_that_fails_stops_the_message(broker: Broker) -> None:
    """What a change raises reaches the publisher, and nothing is sent."""

    def refuse(message: SpaMessage) -> SpaMessage:
        raise PermissionError(message.topic)

    async with SpaSocket(broker.provider(), before_publish=[refuse]) as socket:
        with pytest.raises(PermissionError):
            await socket.publish("a")

    assert broker.published == []


async def test_what_a_change_made_is_checked(broker: Broker) -> None:
    """A change can neither make a topic invalid nor smuggle in what the transport does not carry."""
    bare = broker.provider(capabilities=Capabilities(unicode_topics=True))
    async with SpaSocket(bare, before_publish=[lambda message: message.replace(topic="a/#")]) as socket:
        with pytest.raises(TopicError):
            await socket.publish("a")
    async with SpaSocket(bare, before_publish=[lambda message: message.replace(headers={"h": "1"})]) as socket:
        with pytest.raises(CapabilityError):
            await socket.publish("a")

    assert broker.published == []


# -- many --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batches", [True, False])
async def test_many_go_out_in_order(broker: Broker, *, batches: bool) -> None:
    """Many messages arrive in their order, in one call where the transport has one, one by one where it has not."""
    async with broker.provider(batches=batches).create_socket() as socket:
        await socket.publish_many(SpaMessage(topic="a", payload=str(number)) for number in range(5))
        await socket.publish_many([])

    assert [message.payload for message in broker.published] == [b"0", b"1", b"2", b"3", b"4"]
    assert (broker.calls.count("publish_many 5"), broker.calls.count("publish")) == ((1, 0) if batches else (0, 5))


@pytest.mark.parametrize("batches", [True, False])
async def test_the_first_that_is_refused_ends_the_batch(broker: Broker, *, batches: bool) -> None:
    """Those before it were accepted, those after it were not, and the error says which topic it was."""
    broker.refuse = lambda _call, message: (
        PublishRefusedError("no", topic=message.topic, reason="") if message and message.topic == "bad" else None
    )
    async with broker.provider(batches=batches).create_socket() as socket:
        with pytest.raises(PublishRefusedError) as caught:
            await socket.publish_many(SpaMessage(topic=topic) for topic in ("one", "two", "bad", "three"))

    assert caught.value.topic == "bad"
    assert [message.topic for message in broker.published] == ["one", "two"]


@pytest.mark.parametrize("batches", [True, False])
async def test_a_batch_with_an_invalid_topic_sends_nothing(broker: Broker, *, batches: bool) -> None:
    """What core can know beforehand it checks for all before the first is sent."""
    async with broker.provider(batches=batches).create_socket() as socket:
        with pytest.raises(TopicError):
            await socket.publish_many([SpaMessage(topic="good"), SpaMessage(topic="a/#")])

    assert broker.published == []


async def test_many_identify_their_sender(broker: Broker) -> None:
    """Messages of a batch carry the socket's identity like single ones."""
    async with broker.provider(client_id="c").create_socket() as socket:
        await socket.publish_many([SpaMessage(topic="a")])

    assert broker.published[0].client_id == "c"


# -- the builder -------------------------------------------------------------------------------------------------------


def build(**identity: str | None) -> MessageBuilder:
    """Return a builder."""
    return MessageBuilder(CodecRegistry(), **{"client_id": None, "client_name": None, **identity})


def test_built_messages_carry_the_identity() -> None:
    """The origin's ``message_builder(topic=…, payload=…)``: a message with the application's identity."""
    message = build(client_id="c", client_name="n")(payload=b"x", topic="a")

    assert (message.topic, message.payload, message.client_id, message.client_name) == ("a", b"x", "c", "n")
    assert build(client_id="c")("a", client_id="other").client_id == "other"


def test_every_built_message_is_its_own() -> None:
    """Each message has an id and a time of its own."""
    builder = build()

    assert builder("a").message_id != builder("a").message_id


@pytest.mark.parametrize(
    ("key", "expected"),
    [(None, None), (b"k", b"k"), ("k", b"k"), (7, b"7"), (("a", 1), b'["a",1]')],
    ids=["none", "bytes", "text", "number", "tuple"],
)
def test_keys(key: Any, expected: bytes | None) -> None:  # noqa: ANN401 - what may be given
    """A key is bytes or text as it is; any other object goes through the codec, so that equal keys are equal bytes."""
    assert build()("a", b"", key=key).key == expected


def test_the_builder_does_not_change_what_it_is_given() -> None:
    """Headers given to the builder are copied."""
    headers = {"h": "1"}
    message = build()("a", {"n": 1}, headers=headers)
    headers["h"] = "2"

    assert message.headers["h"] == "1"


async def test_connection_errors_reach_the_publisher(broker: Broker) -> None:
    """A publish while the link is down raises what the transport raises; it is never swallowed."""
    broker.refuse = lambda call, _message: ConnectError("down") if call == "publish" else None
    async with broker.provider().create_socket() as socket:
        with pytest.raises(ConnectError):
            await socket.publish("a")
        with pytest.raises(ConnectError):
            await socket.publish_many([SpaMessage(topic="a")])
