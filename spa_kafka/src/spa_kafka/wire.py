"""
How a message and a Kafka record stand for each other; pure, and no broker in sight.

Payload and key are the record's value and key, untouched. The other fields travel in headers of their own, those that
are absent in none. A header of the application keeps its name, unless it is one of ours: then ``spa-user-`` goes before
it. What others have written is read as far as it can be, and never an error: text that is no UTF-8 is kept by Python's
*surrogateescape*, so that it goes out again, into dead letters for example, as the bytes it came as.

A record is stamped with the message's timestamp if that is less than an hour away from now. Else it travels in a header
and the record has the time of publishing, because brokers delete by the records' timestamps (an event of last year
would be gone at once) and refuse those in the future.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from spa_core.errors import PublishError, TopicError
from spa_core.message import NO_HEADERS, SpaMessage
from spa_kafka.replies import shared_topic
from spa_kafka.topics import kafka_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["TOMBSTONE", "Record", "from_record", "to_record"]

TOMBSTONE: Final = "spa-tombstone"
"""
The header of a message without a payload that stands for a record without a value.

In a compacted topic such a record deletes its key. Publish it with this header, a key and no payload; it arrives with
this header.
"""

CONTENT_TYPE: Final = "spa-content-type"
CLIENT_ID: Final = "spa-client-id"
CLIENT_NAME: Final = "spa-client-name"
CORRELATION_ID: Final = "spa-correlation-id"
EXPIRES: Final = "spa-expires"
MESSAGE_ID: Final = "spa-message-id"
REPLY_TO: Final = "spa-reply-to"
RESPONSE_TOPIC: Final = "spa-response-topic"
TIMESTAMP: Final = "spa-timestamp"
TOPIC: Final = "spa-topic"

_OURS: Final = frozenset(
    {
        CLIENT_ID,
        CLIENT_NAME,
        CONTENT_TYPE,
        CORRELATION_ID,
        EXPIRES,
        MESSAGE_ID,
        REPLY_TO,
        RESPONSE_TOPIC,
        TIMESTAMP,
        TOPIC,
    }
)
_SPA: Final = "spa-"
_ESCAPE: Final = "spa-user-"
_RETRY: Final = "spa-retry-"  # how all begin that spa_kafka.retries adds while a record waits
_ENCODED_ONCE: Final = 64  # texts that messages have in common: who sends them, and the names of headers
_AN_HOUR: Final = 3_600_000
_DIGITS: Final = 18  # more are no time, and Python reads no number of thousands of digits
_ABSENT: Final = b""  # a timestamp that is none, as opposed to one that the record has


class Record(NamedTuple):
    """
    What is given to Kafka.

    Attributes:
        topic: Kafka's name of the topic.
        key: The key; ``None`` if there is none.
        value: The value; ``None`` deletes the key in a compacted topic.
        headers: Names and values, in order.
        timestamp: Milliseconds since the Unix epoch.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int


def to_record(message: SpaMessage, now: int) -> Record:
    """
    Return *message* as a record.

    ``quality_of_service`` has no counterpart in Kafka and is not carried.

    Args:
        message: The message.
        now: The time in milliseconds since the Unix epoch.

    Raises:
        TopicError: Kafka cannot store the topic.
        PublishError: A field holds what cannot be written, or a tombstone has no key, or a payload.
    """
    topic = message.topic
    headers: list[tuple[str, bytes]] = []
    try:
        name = shared_topic(topic)
        if name is None:
            name = kafka_name(topic)
        else:
            headers.append((TOPIC, _encoded(topic)))
        _add_fields(headers, message, now)
        timestamp = _stamp(headers, message.timestamp, now)
        if message.headers:
            headers += [(_escaped(name), _encoded(value)) for name, value in message.headers.items()]
    except TopicError:
        raise
    except (OverflowError, ValueError) as cause:
        raise PublishError(f"a field of the message on {topic!r} cannot be written: {cause}", topic=topic) from cause
    if TOMBSTONE in message.headers:
        _check_deletion(message)
        return Record(name, message.key, None, headers, timestamp)
    return Record(name, message.key, message.payload, headers, timestamp)


def from_record(
    topic: str,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    timestamp: int | None,
    now: int,
) -> SpaMessage:
    """
    Return a record as a message; never fails, whoever wrote it.

    Of several headers with one name the last counts, as it does for Kafka's own clients, and one without a value is
    empty text.

    Args:
        topic: The topic to hand the message out with: Kafka does not know how its subscriber spells it.
        key: The record's key.
        value: The record's value.
        headers: The record's headers.
        timestamp: The record's, in milliseconds since the Unix epoch; ``None`` or a negative one is none.
        now: The time in milliseconds since the Unix epoch.

    Returns:
        The message. Its ``ttl`` is what is left of it, zero or less if it has expired and is not to be delivered.
    """
    ours: dict[str, bytes] = {}
    others: dict[str, str] = {}
    for name, raw in headers:
        if name[:4] != _SPA:
            others[name] = "" if raw is None else _decoded(raw)
        else:
            _sort_in(name, raw or b"", ours, others)
    if value is None:
        others.setdefault(TOMBSTONE, "")
    seconds = None if timestamp is None or timestamp < 0 else timestamp / 1000
    if not ours:
        return SpaMessage(
            topic=topic,
            payload=value or b"",
            key=key,
            headers=others or NO_HEADERS,
            timestamp=seconds,
            message_id=None,
        )
    return SpaMessage(
        topic=topic,
        payload=value or b"",
        key=key,
        headers=others or NO_HEADERS,
        timestamp=_own_seconds(ours[TIMESTAMP]) if TIMESTAMP in ours else seconds,
        ttl=_left(ours[EXPIRES], now) if EXPIRES in ours else None,
        client_id=_text(ours, CLIENT_ID),
        message_id=_text(ours, MESSAGE_ID),
        content_type=_text(ours, CONTENT_TYPE),
        client_name=_text(ours, CLIENT_NAME),
        correlation_id=_text(ours, CORRELATION_ID),
        response_topic=_text(ours, RESPONSE_TOPIC if RESPONSE_TOPIC in ours else REPLY_TO),
    )


def _add_fields(headers: list[tuple[str, bytes]], message: SpaMessage, now: int) -> None:
    headers += _of_sender(message.client_id, message.client_name, message.content_type)
    if message.message_id is not None:
        headers.append((MESSAGE_ID, _encoded(message.message_id)))
    if message.correlation_id is not None:
        headers.append((CORRELATION_ID, _encoded(message.correlation_id)))
    if message.response_topic is not None:
        headers.append((RESPONSE_TOPIC, _encoded(message.response_topic)))
        _add_reply_to(headers, message.response_topic)
    if message.ttl is not None and message.ttl != math.inf:
        headers.append((EXPIRES, b"%d" % (now + round(message.ttl * 1000))))


@lru_cache(maxsize=_ENCODED_ONCE)
def _of_sender(
    client_id: str | None, client_name: str | None, content_type: str | None
) -> tuple[tuple[str, bytes], ...]:
    fields = ((CLIENT_ID, client_id), (CLIENT_NAME, client_name), (CONTENT_TYPE, content_type))
    return tuple((name, _encoded(text)) for name, text in fields if text is not None)


def _add_reply_to(headers: list[tuple[str, bytes]], response_topic: str) -> None:
    """Name the topic in Kafka's words too, for responders that know no others."""
    try:
        name = shared_topic(response_topic) or kafka_name(response_topic)
    except TopicError:  # of another broker, maybe; who asks for the answer there knows
        return
    if name != response_topic:
        headers.append((REPLY_TO, name.encode()))


def _stamp(headers: list[tuple[str, bytes]], seconds: float | None, now: int) -> int:
    """Return the record's timestamp; add the message's own where that is another."""
    if seconds is None:
        headers.append((TIMESTAMP, _ABSENT))
        return now
    milliseconds = round(seconds * 1000)
    if abs(milliseconds - now) < _AN_HOUR:
        return milliseconds
    headers.append((TIMESTAMP, b"%d" % milliseconds))
    return now


def _check_deletion(message: SpaMessage) -> None:
    """Refuse a tombstone that has no key to delete, or a payload that would be lost."""
    if message.key is None or message.payload:
        fault = "has no key" if message.key is None else f"has a payload of {len(message.payload)} bytes"
        text = f"the message on {message.topic!r} is to delete a key and {fault}"
        raise PublishError(text, topic=message.topic, hint=f"With the header {TOMBSTONE!r} give a key and no payload")


def _sort_in(name: str, raw: bytes, ours: dict[str, bytes], others: dict[str, str]) -> None:
    """Put a header that may be ours where it belongs; those of the application get the names it gave them."""
    if name in _OURS:
        ours[name] = raw
    elif not name.startswith(_RETRY):
        others[name.removeprefix(_ESCAPE)] = _decoded(raw)


def _text(ours: Mapping[str, bytes], name: str) -> str | None:
    raw = ours.get(name)
    return None if raw is None else _decoded(raw)


def _own_seconds(written: bytes) -> float | None:
    own = _whole(written)
    return None if own is None else own / 1000


def _left(written: bytes, now: int) -> float | None:
    expires = _whole(written)
    return None if expires is None else (expires - now) / 1000


def _whole(text: bytes) -> int | None:
    """Return the number that one of our headers says; others may have written anything."""
    digits = text.removeprefix(b"-")
    return int(text) if digits.isdigit() and len(digits) <= _DIGITS else None


@lru_cache(maxsize=_ENCODED_ONCE)
def _escaped(name: str) -> str:
    if not name.isascii():
        name.encode()  # the client would find out in the middle of a batch
    return _ESCAPE + name if name in _OURS or name.startswith((_ESCAPE, _RETRY)) else name


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
