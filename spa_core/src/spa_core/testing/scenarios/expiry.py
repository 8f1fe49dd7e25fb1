"""How long messages live: the ``ttl``, where it is declared. Time itself must pass here, so expiry is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spa_core.message import SpaMessage
from spa_core.testing.scenario import scenario

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit

__all__ = ["Expiry"]

_SHORT = 0.05
"""Seconds; a transport may round it up to what its broker can express."""


class Expiry:
    """Scenarios about the time to live."""

    @scenario("ttl")
    async def test_a_message_with_time_left_is_delivered(self, kit: Kit) -> None:
        """A message whose ``ttl`` has not ended arrives like any other."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, b"in time", ttl=3600.0)
            [message] = await kit.take(subscription)
        assert message.payload == b"in time"

    @scenario("ttl", "groups", "durable", "ack")
    async def test_a_message_that_waits_too_long_expires(self, kit: Kit) -> None:
        """A message that waits for its group is delivered no more once its ``ttl`` ends; one without stays."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group):
                pass
            await kit.publish(socket, topic, b"short", ttl=_SHORT)
            await kit.publish(socket, topic, b"long")
            payloads, pause = {b"short"}, _SHORT
            # Left unsettled, both come back to each new member; the kit's deadline ends a wait that is in vain. Where
            # acknowledgements are in order the fences come back too, so there must not be many.
            while b"short" in payloads:
                await anyio.sleep(pause)
                pause *= 2
                async with kit.subscribed(socket, topic, group=group) as subscription:
                    waiting = await kit.until_silent(subscription, socket, topic)
                payloads = {delivery.message.payload for delivery in waiting}
        assert b"long" in payloads

    @scenario("ttl", "retain", "fanout")
    async def test_a_retained_message_expires(self, kit: Kit) -> None:
        """New subscribers get a retained message no more once its ``ttl`` ends; one without ``ttl`` stays."""
        short, long = kit.topic(), kit.topic()
        async with kit.socket() as socket:
            await socket.publish(SpaMessage(topic=long, payload=b"long", retain=True))
            await socket.publish(SpaMessage(topic=short, payload=b"short", retain=True, ttl=_SHORT))
            payloads = {b"short"}
            while b"short" in payloads:
                async with kit.subscribed(socket, short, long) as subscription:
                    greeting = await kit.until_silent(subscription, socket, short)
                payloads = {delivery.message.payload for delivery in greeting}
            await socket.publish(SpaMessage(topic=long, retain=True))
        assert payloads == {b"long"}
