"""How messages are printed, and what happens when nobody reads."""

from __future__ import annotations

import io
import json
import os
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.cli._endings import OutputClosed
from spa_core.cli._output import Output, as_json, as_line
from spa_core.message import SpaMessage


def test_a_line_is_topic_and_payload() -> None:
    """A message is shown as its topic and its payload as text."""
    message = SpaMessage(topic="plants/north", payload="100.6 m³/h")

    assert as_line(message) == "plants/north 100.6 m³/h\n".encode()


@given(st.binary())
def test_a_message_is_one_line(payload: bytes) -> None:
    """Whatever the payload holds, it is shown on one line that cannot control a terminal."""
    line = as_line(SpaMessage(topic="a", payload=payload)).decode()

    assert line.endswith("\n")
    assert all(char == "\t" or 32 <= ord(char) < 127 or ord(char) >= 160 for char in line[:-1])


def test_control_characters_are_shown_escaped() -> None:
    """What would move the cursor, end the line or is no text is shown as its escape."""
    assert as_line(SpaMessage(topic="a", payload=b"\x1b[2J\r\n\t\xff")) == b"a \\x1b[2J\\r\\n\t\\xff\n"


@given(st.binary(), st.none() | st.binary())
def test_json_holds_payload_and_key_exactly(payload: bytes, key: bytes | None) -> None:
    """From the JSON form, payload and key can be restored byte by byte."""
    line = as_json(SpaMessage(topic="a", payload=payload, key=key))
    fields = json.loads(line)

    def restored(name: str) -> bytes | None:
        encoded, text = fields.get(f"{name}_base64"), fields.get(name)
        return b64decode(encoded) if encoded is not None else None if text is None else text.encode()

    assert line.count(b"\n") == 1
    assert (restored("payload"), restored("key")) == (payload, key)


def test_json_holds_every_field() -> None:
    """The JSON form has each field of a message by its name."""
    message = SpaMessage(topic="a", headers={"x": "1"}, correlation_id="c", retain=True, ttl=2.5, quality_of_service=1)
    fields = json.loads(as_json(message))

    assert set(fields) == set(SpaMessage.__struct_fields__)
    assert all(fields[name] == getattr(message, name) for name in fields if name not in {"payload", "headers"})
    assert (fields["payload"], fields["headers"]) == ("", {"x": "1"})


def test_output_is_flushed() -> None:
    """What is written can be read at once."""
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw)
    Output(stream).write(b"line\n")

    assert raw.getvalue() == b"line\n"


def test_output_goes_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a stream of its own, output is standard output."""
    Output().write(b"line\n")

    assert capfdbinary.readouterr().out == b"line\n"


def test_closed_output_is_told_and_nothing_is_left_to_flush() -> None:
    """When the reader is gone it is told once, and closing the stream afterwards is no further error."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "wb")

    with pytest.raises(OutputClosed):
        Output(stream).write(b"line\n")

    stream.close()
