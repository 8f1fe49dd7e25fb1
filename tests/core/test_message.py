"""The message: it never changes, it is told apart, and nothing of it is lost."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.message import NO_HEADERS, SpaMessage, _MessageIds

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(max_size=20)
HEADERS = st.dictionaries(TEXT, TEXT, max_size=4)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Every millisecond that RFC 3339 can write: the years 1 to 9999.
MILLISECONDS = st.integers(-62_135_596_800_000, 253_402_300_799_999)
TIMESTAMPS = MILLISECONDS.map(lambda milliseconds: milliseconds / 1000)
MESSAGES = st.builds(
    SpaMessage,
    topic=TEXT,
    payload=st.binary(max_size=20),
    content_type=st.none() | TEXT,
    client_id=st.none() | TEXT,
    client_name=st.none() | TEXT,
    response_topic=st.none() | TEXT,
    correlation_id=st.none() | TEXT,
    message_id=st.none() | TEXT,
    timestamp=st.none() | TIMESTAMPS,
    key=st.none() | st.binary(max_size=20),
    headers=HEADERS,
    quality_of_service=st.none() | st.integers(0, 2),
    retain=st.booleans(),
    ttl=st.none() | st.floats(0, 1e9),
)

FORKING = """
import multiprocessing, sys
from spa_core.message import SpaMessage

def ids(pipe):
    pipe.send([SpaMessage(topic="a").message_id for _ in range(100)])

context = multiprocessing.get_context("fork")
made = [SpaMessage(topic="a").message_id for _ in range(100)]
for _ in range(3):
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=ids, args=(sender,))
    child.start()
    made += receiver.recv()
    child.join()
made += [SpaMessage(topic="a").message_id for _ in range(100)]
print(len(made), len(set(made)))
"""


def test_a_message_needs_no_more_than_a_topic() -> None:
    """All but the topic has a default, and what was not said is ``None``, empty or false."""
    message = SpaMessage(topic="a")
    unset = {field: getattr(message, field) for field in SpaMessage.__struct_fields__[2:] if field != "headers"}
    made = {field: unset.pop(field) for field in ("message_id", "timestamp")}

    assert message.payload == b""
    assert message.headers is NO_HEADERS
    assert all(made.values())
    assert not any(unset.values())


def test_fields_are_named() -> None:
    """No two fields can be mistaken for one another: a positional argument is refused."""
    with pytest.raises(TypeError, match="positional"):
        SpaMessage("a", b"payload")  # type: ignore[call-arg]


@pytest.mark.parametrize("field", SpaMessage.__struct_fields__)
def test_a_message_never_changes(field: str) -> None:
    """No field can be set or deleted, and none can be added."""
    message = SpaMessage(topic="a", headers={"a": "1"})

    with pytest.raises(AttributeError):
        setattr(message, field, "changed")
    with pytest.raises(AttributeError):
        delattr(message, field)
    with pytest.raises(AttributeError):
        message.new = 1  # type: ignore[attr-defined]


def test_a_message_has_no_such_field() -> None:
    """A misspelt field is refused, not carried along."""
    with pytest.raises(TypeError, match="contenttype"):
        SpaMessage(topic="a", contenttype="text/plain")  # type: ignore[call-arg]


@pytest.mark.parametrize("field", ["payload", "key"])
@given(text=st.text())
def test_text_becomes_utf8(field: str, text: str) -> None:
    """A ``str`` is stored as its UTF-8 bytes."""
    fields: dict[str, Any] = {field: text}

    assert getattr(SpaMessage(topic="a", **fields), field) == text.encode("utf-8")


@pytest.mark.parametrize("field", ["payload", "key"])
@pytest.mark.parametrize("kind", [bytearray, memoryview, type("Bytes", (bytes,), {})])
def test_other_kinds_of_bytes_become_bytes(field: str, kind: Callable[[bytes], Any]) -> None:
    """Whatever holds bytes is stored as plain ``bytes``."""
    fields: dict[str, Any] = {field: kind(b"100.6")}
    value = getattr(SpaMessage(topic="a", **fields), field)

    assert type(value) is bytes
    assert value == b"100.6"


@pytest.mark.parametrize("field", ["payload", "key"])
def test_later_changes_do_not_show(field: str) -> None:
    """A buffer that its owner uses again does not change the message made from it."""
    buffer = bytearray(b"100.6")
    fields: dict[str, Any] = {field: memoryview(buffer)}
    message = SpaMessage(topic="a", **fields)
    buffer[:] = b"00000"

    assert getattr(message, field) == b"100.6"


@pytest.mark.parametrize("field", ["payload", "key"])
@pytest.mark.parametrize("value", [100.6, {"flow": 100.6}, ["a"], True])
def test_objects_are_no_bytes(field: str, value: object) -> None:
    """An object is refused by type, and the error says who would encode it; no number becomes a row of zeros."""
    fields: dict[str, Any] = {field: value}

    with pytest.raises(TypeError) as caught:
        SpaMessage(topic="a", **fields)
    assert str(caught.value) == (
        f"{field} must be bytes or str, not {type(value).__name__}; objects are encoded by socket.publish(topic, value)"
    )


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
@given(headers=HEADERS)
def test_headers_are_copied(kind: Callable[[dict[str, str]], Any], headers: dict[str, str]) -> None:
    """What becomes of the mapping given does not show in the message, not even under a read-only view."""
    before = dict(headers)
    message = SpaMessage(topic="a", headers=kind(headers))
    headers["added"] = "later"

    assert message.headers == before


def test_headers_are_read_only() -> None:
    """Nobody who gets a message can change it for the others who got it."""
    message = SpaMessage(topic="a", headers={"a": "1"})

    with pytest.raises(TypeError):
        message.headers["a"] = "2"  # type: ignore[index]
    with pytest.raises(TypeError):
        NO_HEADERS["a"] = "1"  # type: ignore[index]
    assert not hasattr(message.headers, "update")


def test_headers_are_not_shared() -> None:
    """Two messages made from one mapping, or one from the other's headers, stay apart."""
    headers = {"a": "1"}
    first, second = SpaMessage(topic="a", headers=headers), SpaMessage(topic="a", headers=headers)
    third = SpaMessage(topic="a", headers=first.headers)
    headers.clear()

    assert first.headers == second.headers == third.headers == {"a": "1"}


def test_ids_are_unique() -> None:
    """No two messages made in a process have one id, in whatever threads they are made."""
    made: list[str | None] = []

    def make() -> None:
        made.extend([SpaMessage(topic="a").message_id for _ in range(1000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == len(made) == 4000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_ids_are_unique_after_a_fork() -> None:
    """A forked child does not continue its parent's row of ids, nor its siblings'."""
    result = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True)

    assert result.stdout.split() == ["500", "500"]


def test_ids_need_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform cannot fork, there is nothing to watch for, and ids are as unique."""
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    ids = _MessageIds()

    assert ids.next() != ids.next()


def test_a_message_is_stamped_when_it_is_made() -> None:
    """The timestamp is that of each message in whole milliseconds, not that of the import or the class."""
    before = time.time_ns() // 1_000_000
    first = SpaMessage(topic="a").timestamp
    while time.time_ns() // 1_000_000 <= round((first or 0) * 1000):
        pass
    second = SpaMessage(topic="a").timestamp
    after = time.time_ns() // 1_000_000

    assert first is not None
    assert second is not None
    assert before <= round(first * 1000) < round(second * 1000) <= after
    assert [first, second] == [round(first * 1000) / 1000, round(second * 1000) / 1000]


@given(MESSAGES, MESSAGES)
def test_equal_messages_hash_alike(one: SpaMessage, other: SpaMessage) -> None:
    """Messages are equal when all their fields are, and can be found in a set."""
    twin = SpaMessage(**{**msgspec.structs.asdict(one), "headers": dict(one.headers)})

    assert (one == other) == (msgspec.structs.asdict(one) == msgspec.structs.asdict(other))
    assert twin == one
    assert hash(twin) == hash(one)
    assert {one, twin} == {one}


@pytest.mark.parametrize("field", [*SpaMessage.__struct_fields__])
def test_every_field_tells_messages_apart(field: str) -> None:
    """A message that differs in one field is another message."""
    message = SpaMessage(topic="a")
    different: Any = {"headers": {"a": "1"}, "payload": b"x", "key": b"x", "timestamp": 1.5, "ttl": 1.5}
    changed = message.replace(**{field: different.get(field, "x")})

    assert changed != message


@given(MESSAGES)
def test_replace_changes_what_it_is_told(message: SpaMessage) -> None:
    """A changed copy keeps the id, the timestamp and all the rest; the original stays as it was."""
    before = msgspec.structs.asdict(message)
    changed = message.replace(topic="elsewhere", payload="100.6", headers={"a": "1"})
    after = msgspec.structs.asdict(changed)

    assert after == before | {"topic": "elsewhere", "payload": b"100.6", "headers": {"a": "1"}}
    assert msgspec.structs.asdict(message) == before
    assert type(changed.headers) is MappingProxyType


def test_replace_can_change_the_id() -> None:
    """The id and the timestamp are fields as others are."""
    message = SpaMessage(topic="a").replace(message_id="mine", timestamp=None)

    assert (message.message_id, message.timestamp) == ("mine", None)


@given(MESSAGES)
def test_build_is_the_constructor_with_the_topic_first(message: SpaMessage) -> None:
    """What ``build`` makes is what the class makes, a ``str`` payload included."""
    fields = msgspec.structs.asdict(message)
    topic, payload = fields.pop("topic"), fields.pop("payload")

    assert SpaMessage.build(topic, payload, **fields) == message
    assert SpaMessage.build("a", "100.6").payload == b"100.6"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda message: pickle.loads(pickle.dumps(message))])  # noqa: S301 - our own
@given(message=MESSAGES)
def test_messages_can_be_copied_and_pickled(message: SpaMessage, duplicate: Callable[[SpaMessage], SpaMessage]) -> None:
    """A copy, in this process or another, equals the original and is as read-only."""
    copied = duplicate(message)

    assert copied == message
    assert type(copied.headers) is MappingProxyType


# Names are lower-case letters and digits, a value is never empty, and a string holds no control character (CloudEvents
# 1.0.2, "Naming Convention" and "Type System"): text is quoted as printable JSON, bytes as Base64.
ATTRIBUTES = {
    "message_id": "id",
    "client_name": "source",
    "content_type": "datacontenttype",
    "client_id": "spaclientid",
    "correlation_id": "correlationid",
    "topic": "subject",
    "key": "partitionkey",
    "headers": "spaheaders",
    "timestamp": "time",
    "payload": "data",
}
REQUIRED = {"id": "spa:none", "source": "spa:none", "type": "spa.message", "specversion": "1.0"}
HINTS = {"quality_of_service": None, "retain": False, "ttl": None}


def to_cloud_event(message: SpaMessage) -> dict[str, Any]:
    """Write a message as a CloudEvent, which has no place for routing (``response_topic``) and hints."""
    event: dict[str, Any] = dict(REQUIRED)
    for field, attribute in ATTRIBUTES.items():
        value = getattr(message, field)
        if value is None:
            continue
        if field == "payload":
            event[attribute] = value
        elif field == "key":
            event[attribute] = "=" + base64.b64encode(value).decode("ascii")
        elif field == "timestamp":
            event[attribute] = (EPOCH + timedelta(milliseconds=round(value * 1000))).isoformat(timespec="milliseconds")
        else:
            event[attribute] = json.dumps(dict(value) if field == "headers" else value).replace("\x7f", "\\u007f")
    return event


def from_cloud_event(event: dict[str, Any]) -> SpaMessage:
    """Read a message from a CloudEvent."""
    fields: dict[str, Any] = {"message_id": None, "timestamp": None}
    for field, attribute in ATTRIBUTES.items():
        value = event.get(attribute)
        if value is None or value == REQUIRED.get(attribute):
            continue
        if field == "payload":
            fields[field] = value
        elif field == "key":
            fields[field] = base64.b64decode(value[1:])
        elif field == "timestamp":
            fields[field] = (datetime.fromisoformat(value) - EPOCH) // timedelta(milliseconds=1) / 1000
        else:
            fields[field] = json.loads(value)
    return SpaMessage(**fields)


@given(MESSAGES.map(lambda message: message.replace(response_topic=None, **HINTS)))
def test_messages_map_to_cloud_events_without_loss(message: SpaMessage) -> None:
    """Written as the attributes of a CloudEvent and read back, a message is the same in every field."""
    event = to_cloud_event(message)
    attributes = {name: value for name, value in event.items() if name != "data"}

    assert from_cloud_event(event) == message
    assert event.keys() >= REQUIRED.keys()
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in attributes)
    assert all(isinstance(value, str) and value and value.isascii() for value in attributes.values())
    assert all(value.isprintable() for value in attributes.values())


def test_the_mapping_leaves_out_nothing_but_routing_and_hints() -> None:
    """A field added to messages must find its attribute, or be one of those that are no part of an event."""
    assert {*SpaMessage.__struct_fields__} == {*ATTRIBUTES, "response_topic", *HINTS}
