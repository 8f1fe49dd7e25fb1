"""What never overtakes what: for one consumer, for the members of a group, and when messages come again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spa_core.message import SpaMessage
from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Retry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spa_core.testing.kit import Kit
    from spa_core.transport import TransportSocket

__all__ = ["Ordering"]

_KEYS = (b"a", b"b", b"c", b"d", b"e")


class Ordering:
    """Scenarios about order."""

    @scenario("ordering>=single")
    async def test_one_consumer_gets_messages_in_order(self, kit: Kit) -> None:
        """One consumer gets what one task publishes, with one key, in the order of publishing."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, *(b"%d" % number for number in range(300)))
            received = [int(message.payload) for message in await kit.take(subscription, 300)]
        assert received == list(range(300))

    @scenario("ordering>=single")
    async def test_each_publisher_keeps_its_order(self, kit: Kit) -> None:
        """When ten tasks publish at the same time, each with a key of its own, the messages of each stay in order."""
        topic = kit.topic()
        keys = [b"%d" % name for name in range(10)]

        async def publish(socket: TransportSocket, key: bytes) -> None:
            for number in range(30):
                await socket.publish(_keyed(kit, topic, key, number))

        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with anyio.create_task_group() as tasks:
                for key in keys:
                    tasks.start_soon(publish, socket, key)
            received = await kit.take(subscription, 300)
        assert _first_times(received) == {key: list(range(30)) for key in keys}

    @scenario("ordering>=key", "key", "groups")
    async def test_members_of_a_group_keep_the_order_of_each_key(self, kit: Kit) -> None:
        """However many members a group has, the messages of one key are handed out in order."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.socket() as other,
            kit.subscribed(socket, topic, group=group) as first,
            kit.subscribed(socket, topic, group=group) as second,
            kit.subscribed(other, topic, group=group) as third,
        ):
            sent = await _publish_keys(kit, socket, topic, range(40))
            taken = await kit.share([first, second, third], sent)
        assert _first_times(delivery.message for _, delivery in taken) == {key: [*range(40)] for key in _KEYS}

    @scenario("ordering>=key", "key", "groups")
    async def test_a_key_is_with_one_member_at_a_time(self, kit: Kit) -> None:
        """While messages of a key are unsettled with one member of a group no other member gets any of that key."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=group) as first,
            kit.subscribed(socket, topic, group=group) as second,
        ):
            sent = await _publish_keys(kit, socket, topic, range(8))
            taken = await kit.share([first, second], sent, settle=False)
        holders: dict[bytes | None, set[int]] = {}
        for member, delivery in taken:
            holders.setdefault(delivery.message.key, set()).add(member)
        assert all(len(members) == 1 for members in holders.values()), holders

    @scenario("ordering>=key", "key", "groups")
    async def test_order_outlives_a_member_that_joins(self, kit: Kit) -> None:
        """When a member joins, each member gets the unsettled messages of a key from the first on and without a gap."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as first:
            sent = await _publish_keys(kit, socket, topic, range(8))
            taken = [(1, delivery) for delivery in await kit.receive(first, 4 * len(_KEYS))]
            async with kit.subscribed(socket, topic, group=group) as second:
                sent += await _publish_keys(kit, socket, topic, range(8, 16))
                rest = set(sent) - {delivery.message.payload for _, delivery in taken}
                taken += await kit.share([second, first], rest, settle=False)
        # What moved to the other member, because its broker moves keys, must have begun there with the first again.
        for member in (0, 1):
            numbers = _first_times(delivery.message for taker, delivery in taken if taker == member)
            assert all(seen == [*range(len(seen))] for seen in numbers.values()), numbers

    @scenario("ordering>=single", "prefetch", "ack")
    async def test_the_next_message_waits_for_settlement(self, kit: Kit) -> None:
        """With a prefetch of one the next message is not handed out before the one in hand is settled."""
        topic = kit.topic()
        early: list[bool] = []
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=kit.group(), prefetch=1) as subscription,
            kit.subscribed(socket, topic, group=kit.group()) as witness,
        ):
            await kit.publish(socket, topic, b"1", b"2")
            [first] = await kit.receive(subscription)

            async def settle() -> None:
                # The message has reached the witness, so it could have reached whoever waits for it, too.
                await kit.take(witness, 2)
                await kit.let_run()
                early.append(received.is_set())
                await first.settle(ACK)

            received = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(settle)
                [second] = await kit.receive(subscription)
                received.set()
                assert second.message.payload == b"2"
        assert early == [False]

    @scenario("ordering>=single", "prefetch", "retry>=seek")
    async def test_a_retried_message_stays_ahead(self, kit: Kit) -> None:
        """With a prefetch of one a message that is retried comes again before those behind it."""
        topic = kit.topic()
        seen: list[bytes] = []
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=kit.group(), prefetch=1) as subscription,
        ):
            await kit.publish(socket, topic, b"1", b"2", b"3")
            for outcome in (Retry(), Retry(), ACK, Retry(), ACK, ACK):
                [delivery] = await kit.receive(subscription)
                seen.append(delivery.message.payload)
                await delivery.settle(outcome)
        assert seen == [b"1", b"1", b"1", b"2", b"2", b"3"]

    @scenario("ordering>=single", "retry>=seek")
    async def test_messages_that_are_given_back_keep_their_order(self, kit: Kit) -> None:
        """Messages that are retried come again in their order, in whatever order they were settled."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"0", b"1", b"2", b"3", b"4")
            batch = await kit.receive(subscription, 5)
            for number in (3, 0, 4, 2):
                await batch[number].settle(Retry())
            await batch[1].settle(ACK)
            again = [message.payload for message in await kit.take(subscription, 4)]
        assert again == [b"0", b"2", b"3", b"4"]

    @scenario("ordering>=single", "groups", "durable", "ack")
    async def test_what_a_member_leaves_behind_comes_first(self, kit: Kit) -> None:
        """What a member left unsettled comes again in its order, before what was not handed out or came later."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"0", b"1", b"2", b"3", b"4")
                await kit.receive(subscription, 3)
            await kit.publish(socket, topic, b"5")
            async with kit.subscribed(socket, topic, group=group) as subscription:
                again = [message.payload for message in await kit.take(subscription, 6)]
        assert again == [b"0", b"1", b"2", b"3", b"4", b"5"]


def _keyed(kit: Kit, topic: str, key: bytes, number: int) -> SpaMessage:
    return SpaMessage(topic=topic, payload=b"%b %d" % (key, number), key=key if kit.capabilities.key else None)


async def _publish_keys(kit: Kit, socket: TransportSocket, topic: str, numbers: Iterable[int]) -> list[bytes]:
    """Publish each number with every key, and return the payloads."""
    messages = [_keyed(kit, topic, key, number) for number in numbers for key in _KEYS]
    await kit.publish_many(socket, messages)
    return [message.payload for message in messages]


def _first_times(messages: Iterable[SpaMessage]) -> dict[bytes, list[int]]:
    """Return the numbers of each key in the order in which they came first: what came again may come again."""
    numbers: dict[bytes, dict[int, None]] = {}
    for message in messages:
        key, _, number = message.payload.partition(b" ")
        numbers.setdefault(key, {})[int(number)] = None
    return {key: list(seen) for key, seen in numbers.items()}
