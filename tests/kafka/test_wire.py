"""Messages travel as records and come back; what others wrote is read as far as it goes, and never an error."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_core.envelopes import SpaDatEnvelope
from spa_core.errors import PublishError, TopicError
from spa_kafka import wire
from spa_kafka.envelope import KafkaEnvelope, kafka_envelope
from spa_kafka.wire import TOMBSTONE, Record, from_record, to_record

NOW = 1_795_407_025_250  # milliseconds since the Unix epoch
HOUR = 3_600_000

OURS = sorted(wire._OURS)
TEXT = st.text(max_size=20)
MAYBE = st.none() | TEXT
HEADER_NAMES = TEXT | st.sampled_from(
    [*OURS, "spa-user-spa-topic", "spa-user-", "spa-retry-due", "spa-error", "content-type"]
)
MILLISECONDS = st.integers(-(10**14), 10**14) | st.integers(NOW - 2 * HOUR, NOW + 2 * HOUR)
MESSAGES = st.builds(
    SpaMessage,
    topic=st.sampled_from(["plants/7/flow", "orders.eu", "plants"]),
    payload=st.binary(max_size=40),
    content_type=MAYBE,
    client_id=MAYBE,
    client_name=MAYBE,
    response_topic=MAYBE | st.sampled_from(["spa/reply/6f1c/17", "answers/here", "größe"]),
    correlation_id=MAYBE,
    message_id=MAYBE,
    timestamp=st.none() | MILLISECONDS.map(lambda number: number / 1000),
    key=st.none() | st.binary(max_size=10),
    headers=st.dictionaries(HEADER_NAMES, TEXT, max_size=4),
    ttl=st.none() | st.integers(0, 10**9).map(lambda number: number / 1000),
)
RAW_HEADERS = st.lists(
    st.tuples(st.sampled_from([*OURS, TOMBSTONE, "spa-retry-due"]) | TEXT, st.none() | st.binary(max_size=30)),
    max_size=8,
)


def arrived(record: Record, topic: str, *, now: int = NOW) -> SpaMessage:
    """Return what a subscriber of *topic* makes of a record."""
    return from_record(
        topic, key=record.key, value=record.value, headers=record.headers, timestamp=record.timestamp, now=now
    )


def foreign(value: bytes | None = b"x", *headers: tuple[str, bytes | None], **fields: Any) -> SpaMessage:
    """Return what a subscriber makes of a record that some other program wrote."""
    return from_record("t", **{"key": None, "value": value, "headers": headers, "timestamp": NOW, "now": NOW, **fields})


@given(MESSAGES)
@example(SpaMessage(topic="t", payload=b"", key=b"", ttl=0.0, headers={"": ""}, content_type="", timestamp=None))
def test_messages_come_back(message: SpaMessage) -> None:
    """Any message comes back as it was, field by field, and what is absent stays absent."""
    assert arrived(to_record(message, NOW), message.topic) == message


@given(MESSAGES)
def test_records_are_plain(message: SpaMessage) -> None:
    """Key and value are the message's own bytes, and headers that are not ours have the names they were given."""
    record = to_record(message, NOW)
    plain = [name for name in message.headers if not name.startswith("spa-")]

    assert (record.key, record.value) == (message.key, message.payload)
    assert [name for name, _ in record.headers if name in plain] == plain
    assert len({name for name, _ in record.headers}) == len(record.headers)


def test_a_record_in_full() -> None:
    """What a plain Kafka client sees of a request."""
    message = SpaMessage(
        topic="plants/7/flow",
        payload=b"{}",
        content_type="application/json",
        client_id="c1",
        client_name="detector",
        response_topic="spa/reply/6f1c/17",
        correlation_id="17",
        message_id="m1",
        timestamp=NOW / 1000,
        key=b"7",
        headers={"unit": "m3", "spa-topic": "mine"},
        ttl=30,
    )

    assert to_record(message, NOW + 5) == Record(
        topic="plants.7.flow",
        key=b"7",
        value=b"{}",
        headers=[
            ("spa-client-id", b"c1"),
            ("spa-client-name", b"detector"),
            ("spa-content-type", b"application/json"),
            ("spa-message-id", b"m1"),
            ("spa-correlation-id", b"17"),
            ("spa-response-topic", b"spa/reply/6f1c/17"),
            ("spa-reply-to", b"spa.reply.6f1c"),
            ("spa-expires", b"%d" % (NOW + 30_005)),
            ("unit", b"m3"),
            ("spa-user-spa-topic", b"mine"),
        ],
        timestamp=NOW,
    )


def test_a_reply_carries_its_address() -> None:
    """A reply goes to the topic that all of its requester's replies share, and its address in a header."""
    record = to_record(SpaMessage(topic="spa/reply/6f1c/17"), NOW)

    assert record.topic == "spa.reply.6f1c"
    assert ("spa-topic", b"spa/reply/6f1c/17") in record.headers


@given(MILLISECONDS)
def test_records_are_stamped_near_now(milliseconds: int) -> None:
    """A record's timestamp is within an hour of now, whatever the message's, which arrives to the millisecond."""
    message = SpaMessage(topic="t", timestamp=milliseconds / 1000)
    record = to_record(message, NOW)

    assert abs(record.timestamp - NOW) < HOUR
    assert record.timestamp in (milliseconds, NOW)
    assert arrived(record, "t", now=NOW + 10**9).timestamp == milliseconds / 1000


def test_time_to_live_passes() -> None:
    """What is left of a ``ttl`` arrives; nothing or less is left of one that has ended."""
    record = to_record(SpaMessage(topic="t", ttl=1.5), NOW)

    assert [arrived(record, "t", now=NOW + passed).ttl for passed in (0, 400, 1500, 2000)] == [1.5, 1.1, 0, -0.5]


def test_for_ever() -> None:
    """A ``ttl`` without end is none."""
    assert arrived(to_record(SpaMessage(topic="t", ttl=math.inf), NOW), "t").ttl is None


def test_tombstones() -> None:
    """A message with the mark, a key and no payload is a record without a value, and comes back with the mark."""
    message = SpaMessage(topic="t", key=b"k", headers={TOMBSTONE: "gone", "a": "b"})
    record = to_record(message, NOW)

    assert (record.key, record.value) == (b"k", None)
    assert arrived(record, "t") == message
    assert foreign(None, key=b"k").headers == {TOMBSTONE: ""}


def test_an_empty_payload_is_no_tombstone() -> None:
    """An empty payload alone deletes nothing."""
    assert to_record(SpaMessage(topic="t", key=b"k"), NOW).value == b""
    assert foreign(b"").headers == {}


@pytest.mark.parametrize(("fields", "fault"), [({"key": b"k", "payload": b"x"}, "1 bytes"), ({}, "no key")])
def test_no_tombstones(fields: dict[str, bytes], fault: str) -> None:
    """A deletion without a key, or with a payload, is refused."""
    with pytest.raises(PublishError, match=fault):
        to_record(SpaMessage(topic="t", headers={TOMBSTONE: ""}, **fields), NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"a": "\ud800"}},
        {"headers": {"\ud800": "a"}},
        {"content_type": "\ud800"},
        {"correlation_id": "\ud800"},
        {"timestamp": math.inf},
        {"timestamp": math.nan},
        {"ttl": math.nan},
    ],
)
def test_what_cannot_be_written(fields: dict[str, Any]) -> None:
    """What has no form on the wire is refused with the topic it was for."""
    with pytest.raises(PublishError) as caught:
        to_record(SpaMessage(topic="t", **fields), NOW)

    assert caught.value.topic == "t"


def test_a_topic_that_kafka_cannot_store() -> None:
    """A topic that Kafka has no name for is refused as a topic."""
    with pytest.raises(TopicError):
        to_record(SpaMessage(topic="größe"), NOW)


@given(st.none() | st.binary(max_size=20), RAW_HEADERS, st.none() | st.integers(-(2**63), 2**63 - 1))
def test_nothing_foreign_is_an_error(
    value: bytes | None, headers: list[tuple[str, bytes | None]], timestamp: int | None
) -> None:
    """Any record is a message, and that message can be published again unless its time has gone out of range."""
    message = foreign(value, *headers, timestamp=timestamp)

    assert message.payload == (value or b"")
    assert message.timestamp is None or math.isfinite(message.timestamp)
    assume(TOMBSTONE not in message.headers)
    assume(timestamp is None or timestamp < 10**17)  # three million years
    assert arrived(to_record(message, NOW), "t") == message


@given(st.binary(max_size=30))
def test_bytes_survive_as_headers(raw: bytes) -> None:
    """The bytes of a foreign header go out again as they came, be they text or not."""
    message = foreign(b"x", ("native", raw))

    assert ("native", raw) in to_record(message, NOW).headers


def test_the_last_header_counts() -> None:
    """Of several headers with one name the last counts, and one without a value is empty."""
    message = foreign(b"x", ("a", b"1"), ("a", b"2"), ("b", None), ("spa-client-id", b"1"), ("spa-client-id", b"2"))

    assert (message.headers, message.client_id) == ({"a": "2", "b": ""}, "2")


@pytest.mark.parametrize("text", [b"soon", b"", b"-", b"1e3", b"1" * 19, b" 1", "\N{ARABIC-INDIC DIGIT ONE}".encode()])
def test_numbers_that_are_none(text: bytes) -> None:
    """Of our headers with a number, one that holds something else counts as absent."""
    message = foreign(b"x", ("spa-expires", text), ("spa-timestamp", text))

    assert (message.ttl, message.timestamp) == (None, None)


@pytest.mark.parametrize("timestamp", [None, -1])
def test_records_without_a_time(timestamp: int | None) -> None:
    """A record without a timestamp is a message without one."""
    assert foreign(timestamp=timestamp).timestamp is None


def test_a_plain_request() -> None:
    """A plain Kafka client asks by naming a topic; the answer goes there, by that name."""
    message = foreign(b"?", ("spa-reply-to", b"answers.here"))

    assert message.response_topic == "answers.here"
    assert to_record(SpaMessage(topic=message.response_topic), NOW).topic == "answers.here"


def test_an_envelope_has_kafkas_names_inside() -> None:
    """What a node of spa-dat reads inside are topics that exist in Kafka; outside the topic is SPA's."""
    envelope = KafkaEnvelope(SpaDatEnvelope())
    message = SpaMessage(topic="plants/7/flow", payload="1", response_topic="spa/reply/6f1c/17")
    wrapped = envelope.wrap(message)

    assert b'"Topic":"plants.7.flow"' in wrapped.payload
    assert b'"ResponseTopic":"spa.reply.6f1c.17"' in wrapped.payload
    assert (wrapped.topic, wrapped.response_topic) == ("plants/7/flow", "spa.reply.6f1c.17")
    assert envelope.unwrap(wrapped).response_topic == "spa.reply.6f1c.17"
    assert to_record(SpaMessage(topic="spa.reply.6f1c.17"), NOW).topic == "spa.reply.6f1c.17"


@pytest.mark.parametrize("topic", ["größe", "$spa/reply/6f1c/17"])
def test_an_envelope_leaves_alone_what_kafka_cannot_store(topic: str) -> None:
    """Topics that Kafka has no name for, as over another transport in tests, stay what they are."""
    wrapped = KafkaEnvelope(SpaDatEnvelope()).wrap(SpaMessage(topic=topic, response_topic=topic))

    assert wrapped.payload.count(topic.encode()) == 2


def test_an_envelope_is_put_on_once() -> None:
    """An envelope with Kafka's names is not wrapped again, and no envelope stays none."""
    envelope = kafka_envelope(SpaDatEnvelope())

    assert isinstance(envelope, KafkaEnvelope)
    assert kafka_envelope(envelope) is envelope
    assert kafka_envelope(None) is None
