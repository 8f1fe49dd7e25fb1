"""What travels beside the payload: headers and fields arrive as they were sent, and nothing is added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from spa_core import SpaMessage
from spa_core.errors import CapabilityError
from spa_core.testing.parties import answering
from spa_core.testing.scenario import scenario
from spa_core.testing.stand_ins import StandIn

if TYPE_CHECKING:
    from spa_core import SpaSocket
    from spa_core.testing.kit import Kit

__all__ = ["Headers"]


class Headers:
    """Scenarios about headers and the fields of a message."""

    @scenario("headers")
    async def test_headers_of_every_script(self, kit: Kit) -> None:
        """Names and values of headers arrive with the very characters they have."""
        await _assert_arrive(kit, {"größe": "naïve", "鍵": "値 🔑", "e\u0301": "é", "ключ": "\u202eright to left"})

    @scenario("headers")
    async def test_unusual_header_values(self, kit: Kit) -> None:
        """Empty, blank, long and strange values of headers arrive unchanged."""
        values = ["", " ", " padded ", "a=b; c=d, e", "100%2F%", "'\"\\", "null", "None", "true", "1.0", "x" * 4000]
        await _assert_arrive(kit, {f"h{number}": value for number, value in enumerate(values)})

    @scenario("headers")
    async def test_a_hundred_headers(self, kit: Kit) -> None:
        """A message can have a hundred headers, and messages before and behind it have their own."""
        topic = kit.topic()
        many = {f"header-{number}": f"value {number}" for number in range(100)}
        sent = [SpaMessage(topic=topic, headers=headers) for headers in ({}, many, {"one": "only"}, {})]
        arrived = await kit.travel(*sent)
        assert sorted(len(message.headers) for message in arrived) == [0, 0, 1, 100]
        assert many in [dict(message.headers) for message in arrived]

    @scenario("headers")
    async def test_header_names_are_case_sensitive(self, kit: Kit) -> None:
        """Names of headers keep their case, and two that differ in nothing else are two."""
        await _assert_arrive(kit, {"Trace-Id": "1", "trace-id": "2", "TRACE-ID": "3", "traceId": "4"})

    @scenario("headers")
    async def test_header_names_that_look_like_fields(self, kit: Kit) -> None:
        """Headers called like a message's fields are headers: they arrive, and the fields stay what they are."""
        topic = kit.topic()
        headers = dict.fromkeys(_field_names(), "header")
        sent = SpaMessage(topic=topic, content_type="text/plain", correlation_id="field", headers=headers)
        [message] = await kit.travel(sent)
        assert dict(message.headers) == headers
        assert (message.content_type, message.correlation_id, message.message_id) == (
            "text/plain",
            "field",
            sent.message_id,
        )

    @scenario("headers")
    async def test_fields_arrive(self, kit: Kit) -> None:
        """Content type, correlation id, message id, response topic and the sender's names arrive as they were sent."""
        sent = _full_message(kit.topic())
        [message] = await kit.travel(sent)
        for name in ("content_type", "correlation_id", "message_id", "response_topic", "client_id", "client_name"):
            assert getattr(message, name) == getattr(sent, name), name

    @scenario("headers")
    async def test_absent_fields_stay_absent(self, kit: Kit) -> None:
        """A message that says nothing but its payload arrives without content type, ids, names, key and headers."""
        [message] = await kit.travel(SpaMessage(topic=kit.topic(), payload=b"bare", message_id=None, timestamp=None))
        for name in (
            "content_type",
            "correlation_id",
            "message_id",
            "response_topic",
            "client_id",
            "client_name",
            "key",
        ):
            assert getattr(message, name) is None, name
        assert dict(message.headers) == {}

    @scenario()
    async def test_fields_are_not_seen_as_headers(self, kit: Kit) -> None:
        """However a transport carries a message's fields, the receiver sees the sender's headers and no others."""
        headers = {"mine": "1"} if kit.capabilities.headers else {}
        declared = kit.capabilities
        full = _full_message(kit.topic()).replace(
            key=b"key" if declared.key else None, ttl=3600.0 if declared.ttl else None, headers=headers
        )
        [message] = await kit.travel(full)
        assert dict(message.headers) == headers

    @scenario("headers", "reply")
    async def test_core_adds_no_headers(self, kit: Kit) -> None:
        """Requests and replies made by core arrive with the headers that the program gave them and no others."""
        topic = kit.topic()
        seen: list[dict[str, str]] = []

        async def answer(socket: SpaSocket, message: SpaMessage) -> None:
            seen.append(dict(message.headers))
            await socket.reply(message, {"litres": 100.6}, headers={"of": "the reply"})

        async with answering(kit, topic, answer), kit.spa_socket() as socket:
            reply = await socket.request(topic, [1, 2], headers={"of": "the request"}, timeout=kit.patience)
        assert [*seen, dict(reply.headers)] == [{"of": "the request"}, {"of": "the reply"}]

    @scenario("key")
    async def test_keys(self, kit: Kit) -> None:
        """Keys of any bytes arrive unchanged; an empty one is not taken for none."""
        topic = kit.topic()
        keys = [b"plain", b"", bytes(range(256)), "schlüssel 🔑".encode(), None]
        sent = {repr(key).encode(): key for key in keys}
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=name, key=key) for name, key in sent.items()))
        assert {message.payload: message.key for message in arrived} == sent

    @scenario("timestamp")
    async def test_timestamps(self, kit: Kit) -> None:
        """Timestamps arrive to the millisecond, from the epoch to far in the future; an absent one stays absent."""
        topic = kit.topic()
        times = [0.0, 0.001, 1_700_000_000.123, 1_700_000_000.999, 4_102_444_800.5, None]
        sent = {repr(time).encode(): time for time in times}
        arrived = await kit.travel(*(SpaMessage(topic=topic, payload=name, timestamp=at) for name, at in sent.items()))
        assert {message.payload: message.timestamp for message in arrived} == sent

    @scenario()
    async def test_headers_that_cannot_travel_are_refused(self, kit: Kit) -> None:
        """Where headers are not declared a message that has some is refused: it is never sent without them."""
        topic = kit.topic()
        provider = StandIn(kit.provider, msgspec.structs.replace(kit.capabilities, headers=False))
        async with kit.socket() as there, kit.subscribed(there, topic) as subscription:
            async with kit.spa_socket(provider) as socket:
                with pytest.raises(CapabilityError) as caught:
                    await socket.publish(topic, b"body", headers={"trace": "1"})
            await kit.assert_silent(subscription, there, topic)
        assert caught.value.capability == "headers"


def _full_message(topic: str) -> SpaMessage:
    return SpaMessage(
        topic=topic,
        payload=b"full",
        content_type="application/vnd.plant+json; charset=utf-8",
        client_id="sensor-7",
        client_name="Fühler 7",
        response_topic=f"{topic}/replies",
        correlation_id="c-1/2 ü",
        message_id="m-1",
    )


def _field_names() -> list[str]:
    names = [name for name in SpaMessage.__struct_fields__ if name != "headers"]
    return [*names, *(name.replace("_", "-") for name in names), "Content-Type", "reply-to", "id", "type", "source"]


async def _assert_arrive(kit: Kit, headers: dict[str, str]) -> None:
    [message] = await kit.travel(SpaMessage(topic=kit.topic(), payload=b"body", headers=headers))
    assert dict(message.headers) == headers
