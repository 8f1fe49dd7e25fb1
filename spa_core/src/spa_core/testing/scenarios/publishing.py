"""What a publish promises: everything arrives as it was sent, or is refused with an error that says so."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core.errors import MessageTooLargeError, SocketClosedError
from spa_core.message import SpaMessage
from spa_core.testing.scenario import scenario
from spa_core.transport import BatchPublisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.testing.kit import Kit
    from spa_core.transport import TransportSocket

__all__ = ["Publishing"]


class Publishing:
    """Scenarios about publishing."""

    @scenario()
    async def test_messages_arrive_as_they_were_sent(self, kit: Kit) -> None:
        """Each of twenty different messages arrives with every field that the transport carries unchanged."""
        topic = kit.topic()
        sent = [kit.full_message(topic, bytes([number]) * number) for number in range(1, 21)]
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            for message in sent:
                await socket.publish(message)
            received = await kit.take(subscription, len(sent))
        assert _by_id(kit, received) == _by_id(kit, sent)

    @scenario()
    async def test_twenty_publishers_at_once(self, kit: Kit) -> None:
        """Of what twenty tasks publish at the same time through two sockets, everything arrives, each message once."""
        topic = kit.topic()

        async def publish(socket: TransportSocket, name: int) -> None:
            await kit.publish(socket, topic, *(f"{name} {number}".encode() for number in range(10)))

        async with kit.socket() as socket, kit.socket() as other, kit.subscribed(socket, topic) as subscription:
            async with anyio.create_task_group() as tasks:
                for name in range(20):
                    tasks.start_soon(publish, other if name % 2 else socket, name)
            payloads = [message.payload for message in await kit.take(subscription, 200)]
            await kit.assert_silent(subscription, socket, topic)
        assert sorted(payloads) == sorted(f"{name} {number}".encode() for name in range(20) for number in range(10))

    @scenario()
    async def test_closing_right_after_publishing_loses_nothing(self, kit: Kit) -> None:
        """Whatever was published arrives, although the publishing socket closes at once."""
        topic = kit.topic()
        sent = [str(number).encode() for number in range(20)]
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with kit.socket() as passing:
                await kit.publish(passing, topic, *sent)
            received = [message.payload for message in await kit.take(subscription, len(sent))]
        assert sorted(received) == sorted(sent)

    @scenario()
    async def test_publishing_outside_of_the_context_is_refused(self, kit: Kit) -> None:
        """Publishing before a socket is entered and after it was left raises ``SocketClosedError``; nothing is sent."""
        topic = kit.topic()
        early, late = SpaMessage(topic=topic, payload=b"early"), SpaMessage(topic=topic, payload=b"late")
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            opening = kit.provider.open(kit.events.append)
            with pytest.raises(SocketClosedError):
                await opening.publish(early)
            async with opening:
                pass
            with pytest.raises(SocketClosedError):
                await opening.publish(late)
            await kit.assert_silent(subscription, socket, topic)

    @scenario("no_responders")
    async def test_publish_tells_whether_anybody_listens(self, kit: Kit) -> None:
        """``publish`` returns ``True`` while somebody subscribes to the topic, and ``False`` before and after."""
        message = SpaMessage(topic=kit.topic(), payload=b"anybody?")
        async with kit.socket() as socket, kit.socket() as other:
            told = [await socket.publish(message)]
            async with kit.subscribed(other, message.topic):
                told.append(await socket.publish(message))
            told.append(await socket.publish(message))
        assert told == [False, True, False]

    @scenario("auto_create")
    async def test_a_topic_need_not_exist(self, kit: Kit) -> None:
        """A topic that nobody has used or subscribed to can be published to, and used from then on."""
        topic = kit.unmade_topic("never", "seen")
        async with kit.socket() as socket:
            await kit.publish(socket, topic, b"first")
            async with kit.subscribed(socket, topic) as subscription:
                await kit.publish(socket, topic, b"second")
                messages = await kit.take(subscription, 2 if kit.capabilities.replay else 1)
        assert messages[-1].payload == b"second"

    @scenario("batch_publish", "ordering")
    async def test_a_batch_keeps_its_order(self, kit: Kit) -> None:
        """A batch arrives whole and in order, and behind what was published before it."""
        topic = kit.topic()
        key = b"one key" if kit.capabilities.key else None
        batch = [SpaMessage(topic=topic, payload=str(number).encode(), key=key) for number in range(1, 201)]
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, b"0", key=key)
            await kit.publish_many(socket, batch)
            await kit.publish(socket, topic, b"201", key=key)
            payloads = [message.payload for message in await kit.take(subscription, 202)]
        assert payloads == [str(number).encode() for number in range(202)]

    @scenario("batch_publish")
    async def test_an_empty_batch_does_nothing(self, kit: Kit) -> None:
        """An empty batch is published without an error and sends nothing."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            assert isinstance(socket, BatchPublisher)
            await socket.publish_many([])
            await kit.assert_silent(subscription, socket, topic)

    @scenario("max_payload")
    async def test_a_message_that_is_too_large_is_refused(self, kit: Kit) -> None:
        """A payload above ``max_payload`` is refused before anything is sent, by an error that tells both sizes."""
        topic, limit = kit.topic(), kit.capabilities.max_payload
        assert limit is not None
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with kit.spa_socket() as spa_socket:
                with pytest.raises(MessageTooLargeError) as refusal:
                    await spa_socket.publish(SpaMessage(topic=topic, payload=bytes(limit + 1)))
            await kit.assert_silent(subscription, socket, topic)
        assert (refusal.value.topic, refusal.value.size, refusal.value.limit) == (topic, limit + 1, limit)

    @scenario("max_payload")
    async def test_a_batch_with_a_message_that_is_too_large_sends_nothing(self, kit: Kit) -> None:
        """When one message of a batch is refused before sending, none is sent, those before it included."""
        topic, limit = kit.topic(), kit.capabilities.max_payload
        assert limit is not None
        batch = [SpaMessage(topic=topic, payload=payload) for payload in (b"fits", bytes(limit + 1), b"fits")]
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with kit.spa_socket() as spa_socket:
                with pytest.raises(MessageTooLargeError):
                    await spa_socket.publish_many(batch)
            await kit.assert_silent(subscription, socket, topic)

    @scenario()
    async def test_a_cancelled_publish_leaves_the_socket_usable(self, kit: Kit) -> None:
        """Publishing may be cancelled at any point: the message arrives once or never, later ones arrive once."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            for turns in range(8):
                await kit.cut_short(partial(kit.publish, socket, topic, f"cut short {turns}".encode()), turns)
                await kit.publish(socket, topic, f"whole {turns}".encode())
            received = [delivery.message.payload for delivery in await kit.until_silent(subscription, socket, topic)]
        assert {payload for payload in received if payload.startswith(b"whole")} == {b"whole %d" % n for n in range(8)}
        assert len(received) == len(set(received))


def _by_id(kit: Kit, messages: Sequence[SpaMessage]) -> dict[str | None, dict[str, object]]:
    return {message.message_id: kit.carried(message) for message in messages}
