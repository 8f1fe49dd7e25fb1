"""PUBLISH packets and confirmations as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_mqtt import packets
from spa_mqtt.packets import Incoming, MalformedPacketError, publish, read_confirmation, read_publish

topics = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@given(topics, st.binary(max_size=300), st.integers(1, 65_535), st.sampled_from([0, 1, 2]), st.data())
def test_a_publish_packet_is_read_as_it_was_written(
    topic: str, payload: bytes, mid: int, qos: int, data: st.DataObject
) -> None:
    """Whatever a PUBLISH packet is made of comes out of it again, with properties and without."""
    retain, dup = data.draw(st.booleans()), data.draw(st.booleans())
    for encoded in (None, b"", b"\x02\x00\x00\x00\x09" * 30):
        packet = publish(topic, payload, mid=mid, qos=qos, retain=retain, properties=encoded, dup=dup)
        size, start = packets.read_varint(packet, 1)

        assert len(packet) == start + size
        assert read_publish(packet[0], packet[start:], has_properties=encoded is not None) == Incoming(
            topic, payload, mid if qos else 0, qos, retain, dup, encoded or b""
        )


@given(st.integers(0, 255), st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_message_or_malformed(first: int, body: bytes, has_properties: bool) -> None:  # noqa: FBT001
    """No body of a PUBLISH packet or of a confirmation raises anything but the error for malformed packets."""
    for read in (lambda: read_publish(first, body, has_properties=has_properties), lambda: read_confirmation(body)):
        try:
            read()
        except MalformedPacketError:
            continue


@given(st.integers(0, 268_435_455))
def test_lengths_are_read_as_they_were_written(number: int) -> None:
    """Every length that fits into four bytes is read as it was written."""
    encoded = packets.varint(number)

    assert packets.read_varint(encoded, 0) == (number, len(encoded))
    assert len(encoded) <= 4


def test_a_packet_that_is_too_large_is_refused() -> None:
    """A packet larger than its length can say is not made."""
    with pytest.raises(MalformedPacketError, match="268435455"):
        publish("a", bytes(268_435_455), mid=1, qos=1, retain=False, properties=b"")


def test_confirmations_may_leave_success_out() -> None:
    """A confirmation of two bytes means success; a third byte is the reason."""
    assert packets.confirmation(packets.PUBACK, 300) == b"\x40\x02\x01\x2c"
    assert read_confirmation(b"\x01\x2c") == (300, 0)
    assert read_confirmation(b"\x01\x2c\x10") == (300, 0x10)
