"""What messages are made of: payloads arrive byte for byte, whatever they hold, on topics of whatever characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from spa_core import SpaMessage
from spa_core.errors import SpaError
from spa_core.testing.scenario import scenario

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit

__all__ = ["Content"]

LARGEST_TRIED: Final = 16 * 2**20
"""Bytes of the largest payload that is tried: limits of hundreds of megabytes would only measure patience."""

UNUSUAL: Final = (
    "blank space",
    "dots.in.it",
    "%2F%",
    "'\"`",
    "back\\slash",
    "$x*>?",
    ":;,",
    "(){}[]<>",
    "~!@^&=|",
    "_-",
)
"""Levels with characters that brokers and their clients treat in a special way."""


class Content:
    """Scenarios about payloads and topics."""

    @scenario()
    async def test_an_empty_payload(self, kit: Kit) -> None:
        """A message without a payload arrives as such: it is neither lost nor taken for something else."""
        [message] = await kit.travel(SpaMessage(topic=kit.topic()))
        assert message.payload == b""

    @scenario()
    async def test_every_single_byte(self, kit: Kit) -> None:
        """Payloads of one byte arrive, for every value a byte can have."""
        topic = kit.topic()
        sent = [bytes([value]) for value in range(256)]
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=payload) for payload in sent))
        assert sorted(message.payload for message in arrived) == sent

    @scenario()
    async def test_bytes_that_mean_something_elsewhere(self, kit: Kit) -> None:
        """All byte values together, NUL, line ends and text that is no UTF-8 arrive unchanged."""
        topic = kit.topic()
        sent = [
            bytes(range(256)),
            b"\0",
            b"before\0after\0",
            b"\r\n\r\n",
            b"\n",
            b"\xc3\x28\xff\xfe",
            b'{"not": json',
            b" ",
        ]
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=payload) for payload in sent))
        assert sorted(message.payload for message in arrived) == sorted(sent)

    @scenario()
    async def test_text_of_every_script(self, kit: Kit) -> None:
        """Text arrives with the very characters it was sent with: beyond 16 bits, combined, not normalised."""
        topic = kit.topic()
        sent = [
            "🌊👩🏽\u200d🔧",
            "e\u0301 é",
            "\u202eright to left",
            "温度 señal",
            "\ufeffwith a mark",
            "\u0000\uffff",
        ]
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=text.encode()) for text in sent))
        assert sorted(message.payload.decode() for message in arrived) == sorted(sent)

    @scenario()
    async def test_a_payload_of_64_kib(self, kit: Kit) -> None:
        """A payload of 64 KiB, or as large as allowed if that is less, arrives unchanged, and so does one behind it."""
        topic = kit.topic()
        size = min(65_536, kit.capabilities.max_payload or 65_536)
        large, small = kit.random.randbytes(size), b"small"
        arrived = await kit.travel(SpaMessage(topic=topic, payload=large), SpaMessage(topic=topic, payload=small))
        assert {message.payload for message in arrived} == {large, small}

    @scenario("max_payload")
    async def test_the_largest_payload(self, kit: Kit) -> None:
        """A payload of exactly ``max_payload`` bytes is accepted and arrives unchanged."""
        limit = kit.capabilities.max_payload or 0
        if limit > LARGEST_TRIED:
            pytest.skip(f"max_payload is {limit}; payloads above {LARGEST_TRIED} bytes are not tried")
        payload = kit.random.randbytes(limit)
        [message] = await kit.travel(SpaMessage(topic=kit.topic(), payload=payload))
        assert message.payload == payload

    @scenario()
    async def test_random_payloads(self, kit: Kit) -> None:
        """A hundred payloads of random bytes and random lengths all arrive, each unchanged."""
        topic = kit.topic()
        most = min(5_000, kit.capabilities.max_payload or 5_000)
        sent = [kit.random.randbytes(kit.random.randint(0, most)) for _ in range(100)]
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=payload) for payload in sent))
        assert sorted(message.payload for message in arrived) == sorted(sent)

    @scenario("unicode_topics")
    async def test_topics_of_every_script(self, kit: Kit) -> None:
        """Topics with characters beyond ASCII are subscribed to, and told, with the very characters they have."""
        topics = [kit.topic("größe", "温度"), kit.topic("🌊"), kit.topic("e\u0301"), kit.topic("é")]
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=topic.encode()) for topic in topics))
        assert sorted((message.topic, message.payload) for message in arrived) == sorted(
            (topic, topic.encode()) for topic in topics
        )

    @scenario()
    async def test_topics_of_unusual_characters(self, kit: Kit) -> None:
        """A valid topic, however unusual, is used as it is or refused by an error that names it."""
        topics = [kit.topic(level, "end") for level in UNUSUAL]
        topics += [
            f"/{kit.topic()}",
            f"{kit.topic()}/",
            kit.topic("", "empty"),
            kit.topic("CASE"),
            kit.topic("a" * 200),
        ]
        for topic in topics:
            try:
                [message] = await kit.travel(SpaMessage(topic=topic, payload=topic.encode()))
            except SpaError as refusal:
                assert topic in str(refusal) or repr(topic) in str(refusal), "a refusal names the topic"  # noqa: PT017
            else:
                assert (message.topic, message.payload) == (topic, topic.encode())
