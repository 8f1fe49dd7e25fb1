"""The spa-dat envelope: byte for byte what deployed nodes write, and nothing else is taken for it."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.envelopes import Envelope, SpaDatEnvelope
from spa_core.envelopes._spa_dat import _REQUESTS_REMEMBERED
from spa_core.errors import EncodeError, ParameterError
from spa_core.message import SpaMessage

# Written by spa-dat 0.3.0 and 0.4.0 themselves (pydantic 2.14), with every field set and with the required ones only.
FULL_03 = (
    b'{"payload":"p\\u0000\xf0\x9f\x98\x80\\"","topic":"plants/north","content_type":"text/plain","client_name":"pump",'
    b'"response_topic":"plants/north/request/1","timestamp":12}'
)
BARE_03 = (
    b'{"payload":"abc","topic":"plants/north","content_type":null,"client_name":null,"response_topic":null,'
    b'"timestamp":1795395635}'
)
FULL_04 = (
    b'{"Payload":"p\\u0000\xf0\x9f\x98\x80\\"","Topic":"plants/north","ContentType":"text/plain","ClientId":"c-1",'
    b'"ClientName":"pump","QualityOfService":1,"ResponseTopic":"plants/north/request/1","Timestamp":12}'
)
BARE_04 = (
    b'{"Payload":"abc","Topic":"plants/north","ContentType":null,"ClientId":null,"ClientName":null,"QualityOfService":2,'
    b'"ResponseTopic":null,"Timestamp":1795395635}'
)
Dialect = Literal["0.3", "0.4"]
DIALECTS = ["0.3", "0.4"]

each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def full(**changes: Any) -> SpaMessage:
    """Make a message with every field set."""
    fields: dict[str, Any] = {
        "topic": "plants/north",
        "payload": 'p\0😀"',
        "content_type": "text/plain",
        "client_id": "c-1",
        "client_name": "pump",
        "response_topic": "plants/north/request/1",
        "correlation_id": "7",
        "message_id": "8",
        "timestamp": 12.9,
        "key": b"k",
        "headers": {"a": "b"},
        "quality_of_service": 1,
        "retain": True,
        "ttl": 5.0,
    }
    return SpaMessage(**fields | changes)


def arrived(payload: bytes, **fields: Any) -> SpaMessage:
    """Make a message as a transport without message properties delivers it."""
    return SpaMessage(topic="plants/north", payload=payload, message_id=None, timestamp=None, **fields)


texts = st.text(st.characters(codec="utf-8"))
optional_texts = st.none() | texts.filter(bool)
messages = st.builds(
    SpaMessage,
    topic=texts,
    payload=texts,
    content_type=optional_texts,
    client_id=optional_texts,
    client_name=optional_texts,
    response_topic=optional_texts,
    correlation_id=optional_texts,
    message_id=optional_texts,
    timestamp=st.integers(-(2**40), 2**40).map(float),
    key=st.none() | st.binary(),
    headers=st.dictionaries(texts, texts, max_size=2),
    quality_of_service=st.sampled_from([0, 1, 2]),
    retain=st.booleans(),
    ttl=st.none() | st.just(5.0),
)


@pytest.mark.parametrize(("dialect", "expected"), [("0.3", FULL_03), ("0.4", FULL_04)], ids=DIALECTS)
def test_writes_what_the_real_package_writes(dialect: Dialect, expected: bytes) -> None:
    """A full message is written byte for byte as spa-dat writes it."""
    assert SpaDatEnvelope(dialect).wrap(full()).payload == expected


@pytest.mark.parametrize(("dialect", "expected"), [("0.3", BARE_03), ("0.4", BARE_04)], ids=DIALECTS)
def test_writes_absent_values_as_the_real_package_does(dialect: Dialect, expected: bytes) -> None:
    """Absent values are null, but for the quality of service, which is 2."""
    bare = SpaMessage(topic="plants/north", payload=b"abc", timestamp=1795395635)

    assert SpaDatEnvelope(dialect).wrap(bare).payload == expected


@each_dialect
def test_message_without_a_timestamp_gets_the_present_time(dialect: Dialect) -> None:
    """The real readers refuse null and fall back to the start of their process, so a time is always written."""
    before = int(time.time())

    wire = json.loads(SpaDatEnvelope(dialect).wrap(arrived(b"x")).payload)

    written = wire["timestamp" if dialect == "0.3" else "Timestamp"]
    assert before <= written <= time.time()


@each_dialect
def test_both_dialects_are_read(dialect: Dialect) -> None:
    """Whatever an envelope writes, it reads what nodes of both dialects wrote."""
    envelope = SpaDatEnvelope(dialect)

    assert envelope.unwrap(arrived(FULL_03)) == arrived(
        'p\0😀"'.encode(),
        content_type="text/plain",
        client_name="pump",
        response_topic="plants/north/request/1",
    ).replace(timestamp=12.0)
    assert envelope.unwrap(arrived(FULL_04)) == arrived(
        'p\0😀"'.encode(),
        content_type="text/plain",
        client_id="c-1",
        client_name="pump",
        response_topic="plants/north/request/1",
        quality_of_service=1,
    ).replace(timestamp=12.0)
    assert envelope.unwrap(arrived(BARE_03)) == arrived(b"abc").replace(timestamp=1795395635.0)
    assert envelope.unwrap(arrived(BARE_04)) == arrived(b"abc", quality_of_service=2).replace(timestamp=1795395635.0)


@each_dialect
@given(messages)
def test_messages_come_back(dialect: Dialect, message: SpaMessage) -> None:
    """What is wrapped and unwrapped is the same message, in whole seconds."""
    envelope = SpaDatEnvelope(dialect)

    assert envelope.unwrap(envelope.wrap(message)) == message


@pytest.mark.parametrize(("dialect", "client_id"), [("0.3", "c-1"), ("0.4", None)], ids=DIALECTS)
def test_outer_message_keeps_what_the_envelope_cannot_hold(dialect: Dialect, client_id: str | None) -> None:
    """What is in the envelope leaves the native fields; what is not, and what steers the transport, stays."""
    wire = SpaDatEnvelope(dialect).wrap(full())

    assert wire == full(
        payload=wire.payload,
        content_type=None,
        client_id=client_id,
        client_name=None,
        response_topic=None,
        timestamp=None,
    )


def test_topic_is_the_brokers() -> None:
    """A message belongs to the topic it was delivered on, whatever its envelope says."""
    assert SpaDatEnvelope().unwrap(arrived(BARE_04).replace(topic="mirror/plants")).topic == "mirror/plants"


def test_native_fields_fill_what_the_envelope_leaves_open() -> None:
    """A null in the envelope leaves a native value alone, but the outer content type describes the envelope only."""
    outer = arrived(
        BARE_04.replace(b"1795395635", b"null").replace(b'"QualityOfService":2', b'"QualityOfService":null'),
        client_id="outer",
        response_topic="reply",
        content_type="application/json",
        quality_of_service=0,
    ).replace(timestamp=3.5)

    inner = SpaDatEnvelope().unwrap(outer)

    assert inner == outer.replace(payload=b"abc", content_type=None)


def object_04(**changes: object) -> dict[str, object]:
    """Make the object of a bare 0.4 message with some keys changed; a key that is ``...`` is left out."""
    fields = json.loads(BARE_04) | changes
    return {key: value for key, value in fields.items() if value is not ...}


def object_03(**changes: object) -> dict[str, object]:
    """Make the object of a bare 0.3 message with some keys changed; a key that is ``...`` is left out."""
    fields = json.loads(BARE_03) | changes
    return {key: value for key, value in fields.items() if value is not ...}


@pytest.mark.parametrize(
    "foreign",
    [
        {"payload": "on", "topic": "plants/north"},
        {"Payload": "on", "Topic": "plants/north"},
        {"_msgid": "1", "payload": "on", "topic": "plants/north", "qos": 0, "retain": False},
        object_04(Payload=...),
        object_04(Topic=...),
        object_04(ClientId=...),
        object_04(Payload=None),
        object_04(Payload={"flow": 1}),
        object_04(Payload=5),
        object_04(Topic=None),
        object_04(QualityOfService=3),
        object_04(QualityOfService="2"),
        object_04(Timestamp="2023-01-01"),
        object_04(ContentType=5),
        object_03(timestamp=...),
        object_03(payload=[1]),
        object_03(topic=["plants"]),
        [object_04()],
        {"envelope": object_04()},
        {},
        5,
        "text",
        None,
    ],
    ids=json.dumps,
)
def test_other_json_is_left_alone(foreign: object) -> None:
    """JSON that is not a whole envelope comes back as the very same message."""
    message = arrived(json.dumps(foreign).encode())

    assert SpaDatEnvelope().unwrap(message) is message


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\x00",
        b"{",
        BARE_04[:-1],
        BARE_04.replace(b"abc", b"\xff"),
        BARE_04.replace(b"abc", b"\\ud83d"),
        BARE_04.replace(b"1795395635", b"1e999"),
        BARE_04.replace(b"1795395635", b"9" * 400),
        BARE_04.replace(b"{", b'{"deep":' + b"[" * 200_000, 1),
    ],
    ids=["empty", "binary", "brace", "cut", "no UTF-8", "lone surrogate", "infinite", "huge", "deep"],
)
def test_malformed_payloads_are_left_alone(payload: bytes) -> None:
    """Whatever is broken about a payload, it comes back as the very same message."""
    message = arrived(payload)

    assert SpaDatEnvelope().unwrap(message) is message


@given(st.binary() | st.binary().map(lambda tail: BARE_04[: len(tail)] + tail) | st.binary().map(b"{".__add__))
def test_arbitrary_payloads_never_raise(payload: bytes) -> None:
    """Reading raises nothing, whatever arrives."""
    message = arrived(payload)

    assert SpaDatEnvelope().unwrap(message).topic == message.topic


@pytest.mark.parametrize("payload", [object_04(Extra=[1], topic="x"), object_03(Extra=[1])], ids=DIALECTS[::-1])
def test_further_keys_are_ignored(payload: dict[str, object]) -> None:
    """A node that added fields of its own to the message is still understood, as spa-dat does."""
    indented = msgspec.json.format(json.dumps(payload).encode())

    assert SpaDatEnvelope().unwrap(arrived(indented)).payload == b"abc"


@pytest.mark.parametrize(("own", "request_wire"), [("0.4", FULL_03), ("0.3", FULL_04)], ids=DIALECTS[::-1])
def test_reply_uses_the_dialect_of_its_request(own: Dialect, request_wire: bytes) -> None:
    """An answer is written in the dialect its asker speaks, and all other messages in the envelope's own."""
    envelope = SpaDatEnvelope(own)
    request = envelope.unwrap(arrived(request_wire))
    assert request.response_topic is not None

    for _ in range(2):
        reply = envelope.wrap(SpaMessage(topic=request.response_topic, payload=b"42"))
        assert (b'"payload"' in reply.payload) is (own == "0.4")
    other = envelope.wrap(SpaMessage(topic="plants/south", payload=b"42"))
    assert (b'"payload"' in other.payload) is (own == "0.3")


def test_updated_node_is_answered_in_its_new_dialect() -> None:
    """A response topic that now asks in the envelope's own dialect is answered in it."""
    envelope = SpaDatEnvelope()
    reply = SpaMessage(topic="plants/north/request/1", payload=b"42")

    envelope.unwrap(arrived(FULL_03))
    envelope.unwrap(arrived(FULL_04))

    assert b'"Payload"' in envelope.wrap(reply).payload
    assert len(envelope._reply_dialects._dialects) == 0


def test_requests_are_remembered_within_bounds() -> None:
    """However many requests stay unanswered, only the latest are remembered; one asked again counts as late."""
    envelope = SpaDatEnvelope()
    asked = [FULL_03.replace(b"request/1", b"request/%d" % number) for number in range(_REQUESTS_REMEMBERED)]

    for payload in (*asked, asked[0], FULL_03.replace(b"request/1", b"request/new")):
        envelope.unwrap(arrived(payload))

    remembered = envelope._reply_dialects._dialects
    assert len(remembered) == _REQUESTS_REMEMBERED
    assert "plants/north/request/0" in remembered
    assert "plants/north/request/1" not in remembered
    assert "plants/north/request/new" in remembered


def test_one_envelope_serves_several_threads() -> None:
    """Sockets in several threads may share an envelope."""
    envelope = SpaDatEnvelope()
    envelope._reply_dialects._limit = 10
    failures: list[Exception] = []

    def ask(name: int) -> None:
        try:
            for number in range(500):
                topic = f"{name}/{number % 15}"
                wire = SpaDatEnvelope("0.3").wrap(SpaMessage(topic="t", response_topic=topic))
                envelope.wrap(SpaMessage(topic=envelope.unwrap(wire).response_topic or ""))
        except Exception as failure:  # noqa: BLE001 - a thread must not swallow it
            failures.append(failure)

    threads = [threading.Thread(target=ask, args=[name]) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(envelope._reply_dialects._dialects) <= 10


@each_dialect
@given(st.binary())
def test_bytes_that_are_no_text_are_refused(dialect: Dialect, payload: bytes) -> None:
    """The format carries text only; anything else is an EncodeError that says so and how to go on."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        with pytest.raises(EncodeError, match="is not UTF-8, and the format carries text only") as caught:
            SpaDatEnvelope(dialect).wrap(arrived(payload))
        assert caught.value.hint is not None
    else:
        assert payload.decode() in json.loads(SpaDatEnvelope(dialect).wrap(arrived(payload)).payload).values()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quality_of_service": 3}, "its quality of service is 3, not 0, 1 or 2"),
        ({"timestamp": float("nan")}, "its timestamp is nan"),
        ({"timestamp": float("inf")}, "its timestamp is inf"),
        ({"client_name": "\ud800"}, "a field is not valid Unicode"),
    ],
    ids=["quality of service", "no time", "endless time", "no Unicode"],
)
def test_fields_that_do_not_fit_are_refused(changes: dict[str, Any], reason: str) -> None:
    """What a reader could not read is an EncodeError at the writer, with topic and reason."""
    with pytest.raises(EncodeError) as caught:
        SpaDatEnvelope().wrap(full(**changes))

    assert str(caught.value).startswith(f"the message for 'plants/north' does not fit the spa-dat envelope: {reason}")
    assert caught.value.content_type == "text/plain"


def test_unknown_dialect_is_refused() -> None:
    """There are two dialects."""
    with pytest.raises(ParameterError, match="spa-dat has no dialect") as caught:
        SpaDatEnvelope("0.5")  # type: ignore[arg-type]

    assert caught.value.allowed == ("0.3", "0.4")


def test_it_is_an_envelope_and_shows_its_dialect() -> None:
    """The protocol can be asked at run time, and the dialect is readable."""
    envelope = SpaDatEnvelope("0.3")

    assert isinstance(envelope, Envelope)
    assert (envelope.dialect, repr(envelope)) == ("0.3", "SpaDatEnvelope('0.3')")
