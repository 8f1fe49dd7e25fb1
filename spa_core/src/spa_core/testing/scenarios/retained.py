"""What later subscribers are greeted with: the last message of a topic that was published to be kept."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from spa_core.message import SpaMessage
from spa_core.testing.scenario import scenario

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from spa_core.testing.kit import Kit
    from spa_core.transport import TransportSocket

__all__ = ["Retained"]


class Retained:
    """Scenarios about retained messages."""

    @scenario("retain", "fanout")
    async def test_a_new_subscriber_is_greeted(self, kit: Kit) -> None:
        """Each new subscription first gets the retained message of its topic, once, and flagged as retained."""
        topic = kit.topic()
        async with _retaining(kit, topic) as socket:
            await kit.publish(socket, topic, b"level 7", retain=True)
            for _ in range(2):
                async with kit.subscribed(socket, topic) as subscription:
                    [message] = await kit.take(subscription)
                    await kit.assert_silent(subscription, socket, topic)
                assert (message.payload, message.retain) == (b"level 7", True)

    @scenario("retain", "fanout")
    async def test_who_listens_already_gets_an_ordinary_message(self, kit: Kit) -> None:
        """Who is subscribed when a retained message is published gets it once, not flagged as retained."""
        topic = kit.topic()
        async with _retaining(kit, topic) as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, b"level 7", retain=True)
            [message] = await kit.take(subscription)
            await kit.assert_silent(subscription, socket, topic)
        assert (message.payload, message.retain) == (b"level 7", False)

    @scenario("retain", "fanout")
    async def test_only_the_last_retained_message_is_kept(self, kit: Kit) -> None:
        """A retained message takes the place of the one before; an ordinary message leaves it where it is."""
        topic = kit.topic()
        async with _retaining(kit, topic) as socket:
            await kit.publish(socket, topic, b"level 6", b"level 7", retain=True)
            await kit.publish(socket, topic, b"passing")
            async with kit.subscribed(socket, topic) as subscription:
                [message] = await kit.take(subscription)
                await kit.assert_silent(subscription, socket, topic)
        assert message.payload == b"level 7"

    @scenario("retain", "fanout")
    async def test_an_empty_retained_message_clears_the_topic(self, kit: Kit) -> None:
        """After a retained message without a payload new subscribers are greeted with nothing."""
        topic = kit.topic()
        async with _retaining(kit, topic) as socket:
            await kit.publish(socket, topic, b"level 7", b"", retain=True)
            async with kit.subscribed(socket, topic) as subscription:
                await kit.assert_silent(subscription, socket, topic)

    @scenario("retain", "fanout", "wildcards")
    async def test_a_pattern_is_greeted_with_every_topic(self, kit: Kit) -> None:
        """A new subscription to a pattern gets the retained message of each topic that it matches, and no other."""
        root = kit.topic()
        topics = [f"{root}/north/level", f"{root}/south/level", f"{root}/north/flow"]
        async with _retaining(kit, *topics) as socket:
            for topic in topics:
                await kit.publish(socket, topic, topic.encode(), retain=True)
            async with kit.subscribed(socket, f"{root}/+/level") as subscription:
                received = await kit.take(subscription, 2)
                await kit.assert_silent(subscription, socket, topics[0])
        assert sorted(message.topic for message in received) == topics[:2]
        assert all(message.retain for message in received)


@asynccontextmanager
async def _retaining(kit: Kit, *topics: str) -> AsyncGenerator[TransportSocket]:
    """Open a socket, and have the broker forget at the end what it retained of *topics*."""
    async with kit.socket() as socket:
        yield socket
        for topic in topics:
            await socket.publish(SpaMessage(topic=topic, retain=True))
