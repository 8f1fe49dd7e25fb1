"""How subscriptions share: each group gets every message, and of its members one gets it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Reject, Retry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spa_core.testing.kit import Kit
    from spa_core.transport import Delivery, TransportSocket

__all__ = ["Groups"]


class Groups:
    """Scenarios about groups."""

    @scenario("groups")
    async def test_each_group_gets_everything_once(self, kit: Kit) -> None:
        """Two groups of two members each, on several sockets, both get every message, and each message once."""
        topic = kit.topic()
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(kit.socket()) for _ in range(2)]
            groups = [
                [await stack.enter_async_context(kit.subscribed(socket, topic, group=name)) for socket in sockets]
                for name in (kit.unique("group"), kit.unique("group"))
            ]
            sent = await _publish(kit, sockets[0], topic, 60)
            for members in groups:
                taken = await kit.share(members, sent)
                assert _payloads(taken) == sorted(sent)
            fences = await _publish(kit, sockets[0], topic, 10)
            for members in groups:
                assert _payloads(await kit.share(members, fences)) == sorted(fences), "something came twice"

    @scenario("groups")
    async def test_members_on_one_socket_share(self, kit: Kit) -> None:
        """Members of a group that are on one socket share like any others: each message goes to one of them."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=group) as first,
            kit.subscribed(socket, topic, group=group) as second,
        ):
            sent = await _publish(kit, socket, topic, 40)
            taken = await kit.share([first, second], sent)
        assert _payloads(taken) == sorted(sent)

    @scenario("groups", "fanout")
    async def test_a_group_takes_nothing_from_those_without(self, kit: Kit) -> None:
        """A subscription without a group gets every message, although a group gets every message too."""
        topic = kit.topic()
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=kit.unique("group")) as member,
            kit.subscribed(socket, topic) as alone,
        ):
            sent = await _publish(kit, socket, topic, 20)
            taken = [sorted(message.payload for message in await kit.take(each, 20)) for each in (member, alone)]
        assert taken == [sorted(sent)] * 2

    @scenario("groups")
    async def test_one_name_on_two_topics_is_two_groups(self, kit: Kit) -> None:
        """Subscriptions to different topics under one group name each get their own topic's messages, all of them."""
        topics, group = [kit.topic(), kit.topic()], kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topics[0], group=group) as first,
            kit.subscribed(socket, topics[1], group=group) as second,
        ):
            for payload in (b"0", b"1", b"2"):
                for topic in topics:
                    await kit.publish(socket, topic, payload)
            received = [await kit.take(subscription, 3) for subscription in (second, first)]
        assert [{message.topic for message in messages} for messages in received] == [{topics[1]}, {topics[0]}]

    @scenario("groups", "ack")
    async def test_a_member_that_leaves_loses_nothing(self, kit: Kit) -> None:
        """What a member has in hand, or was to get, when it leaves goes to the members that stay."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as staying:
            async with kit.subscribed(socket, topic, group=group) as leaving:
                sent = await _publish(kit, socket, topic, 40)
                # Which of them gets what is the broker's business, so both take; only one acknowledges.
                taken = await kit.share([leaving, staying], sent[:20], settle=False)
                mine = [delivery for member, delivery in taken if member == 1]
                await kit.settle(mine)
            kept = {delivery.message.payload for delivery in mine}
            rest = await kit.share([staying], set(sent) - kept)
        assert kept | {delivery.message.payload for _, delivery in rest} == set(sent)
        if kit.capabilities.ack == "individual":
            assert len(kept) + len(rest) == len(sent)

    @scenario("groups", "ack")
    async def test_a_member_that_joins_loses_nothing(self, kit: Kit) -> None:
        """When a member joins in the middle of a stream every message goes to one of the members."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as first:
            sent = await _publish(kit, socket, topic, 20)
            taken = await kit.share([first], sent[:5])
            async with kit.subscribed(socket, topic, group=group) as second:
                sent += await _publish(kit, socket, topic, 20)
                missing = set(sent) - {delivery.message.payload for _, delivery in taken}
                taken += await kit.share([first, second], missing)
        assert {delivery.message.payload for _, delivery in taken} == set(sent)
        if kit.capabilities.ack == "individual":
            assert _payloads(taken) == sorted(sent)

    @scenario("groups", "durable")
    async def test_a_group_without_members_keeps_its_messages(self, kit: Kit) -> None:
        """What is published while a group has no members is there for the next one, once."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group):
                pass
            sent = await _publish(kit, socket, topic, 20)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                received = await kit.take(subscription, 20)
                await kit.assert_silent(subscription, socket, topic)
        assert sorted(message.payload for message in received) == sorted(sent)

    @scenario("groups", "retry>=seek")
    async def test_a_retried_message_goes_to_one_member(self, kit: Kit) -> None:
        """A message that a member retries is delivered again to one member of the group, whichever it is."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=group) as first,
            kit.subscribed(socket, topic, group=group) as second,
        ):
            await kit.publish(socket, topic, b"again")
            [(_, delivery)] = await kit.share([first, second], [b"again"], settle=False)
            await delivery.settle(Retry())
            [(_, delivery)] = await kit.share([first, second], [b"again"], settle=False)
            await delivery.settle(ACK)
            await kit.publish(socket, topic, b"fence")
            taken = await kit.share([first, second], [b"fence"])
        assert _payloads(taken) == [b"fence"]

    @scenario("groups", "ack")
    async def test_a_rejected_message_goes_to_no_other_member(self, kit: Kit) -> None:
        """What one member of a group rejects is not offered to the others."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=group) as first,
            kit.subscribed(socket, topic, group=group) as second,
        ):
            await kit.publish(socket, topic, b"refused")
            [(_, delivery)] = await kit.share([first, second], [b"refused"], settle=False)
            await delivery.settle(Reject("not wanted"))
            await kit.publish(socket, topic, b"fence")
            taken = await kit.share([first, second], [b"fence"])
        assert _payloads(taken) == [b"fence"]


async def _publish(kit: Kit, socket: TransportSocket, topic: str, count: int) -> list[bytes]:
    """Publish messages that members can share: each with a key of its own, where there are keys."""
    sent = [kit.unique("message").encode() for _ in range(count)]
    for payload in sent:
        await kit.publish(socket, topic, payload, key=payload if kit.capabilities.key else None)
    return sent


def _payloads(taken: Iterable[tuple[int, Delivery]]) -> list[bytes]:
    return sorted(delivery.message.payload for _, delivery in taken)
