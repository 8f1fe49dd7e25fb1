"""A message's form on the wire: nothing is lost on the way and back, and nothing that comes can end the reader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_core.errors import MessageTooLargeError, PublishError
from spa_mqtt import envelope, properties
from spa_mqtt.envelope import MAGIC
from spa_mqtt.packets import Incoming, MalformedPacketError
from spa_mqtt.wire import from_wire, time_to_live, to_wire

if TYPE_CHECKING:
    from spa_mqtt.wire import Enveloping

RESERVED = ("spa-client-id", "spa-client-name", "spa-message-id", "spa-timestamp", "spa-key", "spa-key-base64")

texts = st.text(st.characters(codec="utf-8"), max_size=30)
plain = st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
names = st.one_of(
    plain, st.sampled_from(RESERVED).flatmap(lambda name: st.sampled_from([name, f"~{name}", f"~~{name}"]))
)
times = st.one_of(st.none(), st.integers(0, 10**14).map(lambda ms: ms / 1000))


def messages(text: st.SearchStrategy[str], name: st.SearchStrategy[str]) -> st.SearchStrategy[SpaMessage]:
    """Messages whose every field is one that can be sent."""
    maybe = st.one_of(st.none(), text)
    return st.builds(
        SpaMessage,
        topic=st.just("plants/north"),
        payload=st.one_of(st.binary(max_size=50), st.binary(max_size=20).map(lambda rest: MAGIC + rest)),
        content_type=maybe,
        client_id=maybe,
        client_name=maybe,
        response_topic=maybe,
        correlation_id=maybe,
        message_id=maybe,
        timestamp=times,
        key=st.one_of(st.none(), st.binary(max_size=30)),
        headers=st.dictionaries(name, text, max_size=5),
        quality_of_service=st.just(1),
    )


def sent(message: SpaMessage, *, is_v5: bool = True, enveloping: Enveloping = "auto", **changes: Any) -> SpaMessage:
    """Return what a reader makes of a message."""
    outgoing = to_wire(message, is_v5=is_v5, enveloping=enveloping)
    incoming = Incoming(message.topic, outgoing.payload, 1, 1, message.retain, False, outgoing.properties or b"")  # noqa: FBT003
    return from_wire(incoming._replace(**changes))


@given(messages(plain, names))
def test_native_properties_carry_everything(message: SpaMessage) -> None:
    """In MQTT 5 a message with printable texts arrives as it was, headers with reserved names included."""
    assert sent(message) == message


@given(messages(texts, texts), st.sampled_from([(True, "auto"), (True, "always"), (False, "always")]))
def test_any_text_arrives(message: SpaMessage, way: tuple[bool, Enveloping]) -> None:
    """Texts of any characters arrive, those that MQTT forbids in an envelope."""
    is_v5, enveloping = way

    assert sent(message, is_v5=is_v5, enveloping=enveloping) == message


@given(messages(texts, texts))
def test_nothing_that_brokers_refuse_is_sent_natively(message: SpaMessage) -> None:
    """No text in native properties holds a control character, for which a broker would end the connection."""
    outgoing = to_wire(message, is_v5=True, enveloping="auto")
    found = properties.read(outgoing.properties or b"")
    written = [found.content_type or "", found.response_topic or "", *(text for pair in found.user for text in pair)]

    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for text in written for character in text)


@given(messages(texts, texts))
def test_without_properties_what_matters_is_in_an_envelope(message: SpaMessage) -> None:
    """Under 3.1.1 a message that says more than its payload arrives whole; others arrive bare, for any reader."""
    arrived = sent(message, is_v5=False)

    asked = message.content_type, message.response_topic, message.correlation_id, message.key
    if message.headers or message.payload.startswith(MAGIC) or any(each is not None for each in asked):
        assert arrived == message
    else:
        assert to_wire(message, is_v5=False, enveloping="auto").payload == message.payload
        assert (arrived.payload, arrived.message_id, arrived.timestamp) == (message.payload, None, None)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_comes_is_read(payload: bytes, encoded: bytes) -> None:
    """No bytes of a payload or of properties make reading fail; what cannot be read is left out."""
    incoming = Incoming("a", payload, 1, 1, retain=False, dup=False, properties=encoded)
    message = from_wire(incoming)
    time_to_live(incoming)

    assert message.topic == "a"


@given(messages(texts, texts), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_envelope_is_read_as_something(message: SpaMessage, place: int, byte: int) -> None:
    """An envelope with any byte changed, or cut short, is read as a message or as a payload, never an error."""
    whole = to_wire(message, is_v5=False, enveloping="always").payload
    damaged = bytearray(whole)
    damaged[place % len(damaged)] = byte
    for data in (bytes(damaged), whole[: place % len(whole)]):
        from_wire(Incoming("a", data, 1, 1, retain=False, dup=False, properties=b""))


def test_an_envelope_is_recognised_in_mqtt_5_too() -> None:
    """A reader that speaks MQTT 5 understands what a sender put into an envelope, which begins with the magic."""
    message = SpaMessage(topic="a", payload=b"body", headers={"unit": "m3"}, quality_of_service=1)
    outgoing = to_wire(message, is_v5=False, enveloping="auto")

    assert outgoing.payload.startswith(b"\xc1SPA\x01")
    assert from_wire(Incoming("a", outgoing.payload, 1, 1, retain=False, dup=False, properties=b"")) == message


def test_what_foreign_clients_say_arrives_as_headers() -> None:
    """User properties of clients that are not SPA's are headers; of a name that comes twice the last counts."""
    encoded = properties.user(b"unit", b"l") + properties.user(b"unit", b"m3") + properties.user(b"spa-key", b"north")
    message = from_wire(Incoming("a", b"1", 1, 1, retain=True, dup=False, properties=encoded))

    assert dict(message.headers) == {"unit": "m3"}
    assert (message.key, message.message_id, message.timestamp, message.retain) == (b"north", None, None, True)


@given(st.binary(max_size=20))
def test_correlation_of_any_bytes_goes_back_as_it_came(data: bytes) -> None:
    """What a foreign client sent as correlation data, whatever its bytes, goes back to it unchanged in an answer."""
    request = from_wire(Incoming("a", b"", 1, 1, retain=False, dup=False, properties=properties.correlation(data)))
    answer = to_wire(SpaMessage(topic="b", correlation_id=request.correlation_id), is_v5=True, enveloping="never")

    assert properties.read(answer.properties or b"").correlation == data


@pytest.mark.parametrize(("ttl", "seconds"), [(0.0, 1), (0.05, 1), (1.0, 1), (1.2, 2), (1e12, 4_294_967_295)])
def test_time_to_live_is_rounded_up(ttl: float, seconds: int) -> None:
    """A message lives for whole seconds, at least one and never less than it was given."""
    outgoing = to_wire(SpaMessage(topic="a", ttl=ttl), is_v5=True, enveloping="auto")

    assert properties.read(outgoing.properties or b"").expiry == seconds


def test_time_to_live_is_honoured_without_a_broker_that_knows_it() -> None:
    """Under 3.1.1 the envelope says when a message ends, so that a reader can tell how long it is wanted."""
    before = time.time()
    outgoing = to_wire(SpaMessage(topic="a", ttl=60.0), is_v5=False, enveloping="auto")
    left = time_to_live(Incoming("a", outgoing.payload, 1, 1, retain=False, dup=False, properties=b""))

    assert left is not None
    assert 60.0 - (time.time() - before) - 0.001 <= left <= 60.001


def test_an_envelope_that_is_not_allowed_is_missed() -> None:
    """With ``envelope="never"`` what MQTT 5 cannot carry is refused, and what 3.1.1 cannot carry is dropped."""
    message = SpaMessage(topic="plants/north", payload=b"1", headers={"note": "line\nend"})
    with pytest.raises(PublishError, match="its headers"):
        to_wire(message, is_v5=True, enveloping="never")

    assert to_wire(message, is_v5=False, enveloping="never") == (b"1", None)


def test_headers_that_are_too_large_are_refused() -> None:
    """More than 65,535 bytes in one header do not fit anywhere, and the error names sizes and topic."""
    message = SpaMessage(topic="plants/north", headers={"large": "x" * 70_000})
    with pytest.raises(MessageTooLargeError, match="plants/north") as caught:
        to_wire(message, is_v5=True, enveloping="auto")

    assert (caught.value.limit, caught.value.retriable) == (65_535, False)


def test_text_that_is_no_unicode_is_refused() -> None:
    """A header with half a surrogate pair is refused by an error that names the topic."""
    with pytest.raises(PublishError, match="no Unicode"):
        to_wire(SpaMessage(topic="a", headers={"half": "\ud800"}), is_v5=True, enveloping="auto")


@given(st.binary(max_size=100))
def test_properties_are_read_or_refused(encoded: bytes) -> None:
    """Any bytes are read as properties or refused as malformed, by both ways of reading them."""
    outcomes: list[bool] = []
    for read in (properties.read, properties.identifiers):
        try:
            read(encoded)
        except MalformedPacketError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    assert outcomes[0] == outcomes[1]


def test_the_envelope_is_what_is_documented() -> None:
    """Magic, two bytes of length, a msgpack map with short names, and the payload behind it."""
    data = envelope.put_on(envelope.Header(content_type="text/plain", headers={"a": "b"}), b"body")
    size = int.from_bytes(data[5:7], "big")

    assert data[:5] == b"\xc1SPA\x01"
    assert msgspec.msgpack.decode(data[7 : 7 + size]) == {"ct": "text/plain", "h": {"a": "b"}}
    assert data[7 + size :] == b"body"
