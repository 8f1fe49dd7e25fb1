"""What comes again: messages that were retried, left unsettled or not handed out; unchanged, and as often as needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Retry

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit

__all__ = ["Redelivery"]


class Redelivery:
    """Scenarios about messages that are delivered again."""

    @scenario("retry>=seek")
    async def test_retry_delivers_the_same_message_again(self, kit: Kit) -> None:
        """``Retry`` delivers the same message again, the original headers and every other field included."""
        sent = kit.full_message(kit.topic())
        async with kit.socket() as socket, kit.subscribed(socket, sent.topic, group=kit.group()) as subscription:
            await socket.publish(sent)
            [first] = await kit.receive(subscription)
            assert await first.settle(Retry())
            [second] = await kit.take(subscription)
        assert kit.carried(second) == kit.carried(sent)

    @scenario("groups", "durable", "ack")
    async def test_an_unsettled_message_is_delivered_again(self, kit: Kit) -> None:
        """A message whose subscription was left before it was settled is delivered to the group again, unchanged."""
        sent, group = kit.full_message(kit.topic()), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, sent.topic, group=group) as subscription:
                await socket.publish(sent)
                await kit.receive(subscription)
            async with kit.subscribed(socket, sent.topic, group=group) as subscription:
                [second] = await kit.take(subscription)
        assert kit.carried(second) == kit.carried(sent)

    @scenario("groups", "durable", "ack")
    async def test_closing_the_socket_gives_back(self, kit: Kit) -> None:
        """When a socket closes, the group gets back what its member had unsettled, and no more."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.socket() as closing, kit.subscribed(closing, topic, group=group) as subscription:
                await kit.publish(closing, topic, b"0", b"1", b"2")
                batch = await kit.receive(subscription, 3)
                await kit.settle(batch[:1])
            async with kit.subscribed(socket, topic, group=group) as subscription:
                payloads = [message.payload for message in await kit.take(subscription, 2)]
                await kit.assert_silent(subscription, socket, topic)
        assert sorted(payloads) == [b"1", b"2"]

    @scenario("groups", "durable", "ack")
    async def test_what_was_fetched_ahead_is_not_lost(self, kit: Kit) -> None:
        """Messages on their way to a member, but not handed out when it left, go to the next one, all of them."""
        topic, group = kit.topic(), kit.unique("group")
        sent = [str(number).encode() for number in range(30)]
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, *sent)
                [first] = await kit.take(subscription)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                rest = [message.payload for message in await kit.take(subscription, 29)]
                await kit.assert_silent(subscription, socket, topic)
        assert sorted([first.payload, *rest]) == sorted(sent)

    @scenario("groups", "durable", "ack")
    async def test_what_was_left_unsettled_holds_up_nothing_later(self, kit: Kit) -> None:
        """Once the next member has settled what another one left unsettled, nothing comes a third time."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"0", b"1", b"2")
                await kit.receive(subscription, 2)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"3")
                await kit.take(subscription, 4)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.assert_silent(subscription, socket, topic)

    @scenario("retry>=seek")
    async def test_a_hundred_retries_then_success(self, kit: Kit) -> None:
        """A message that is retried a hundred times and then acknowledged is delivered a hundred and one times."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"body")
            for _ in range(100):
                [delivery] = await kit.receive(subscription)
                await delivery.settle(Retry())
            await kit.take(subscription)
            await kit.assert_silent(subscription, socket, topic)

    @scenario("retry>=seek")
    async def test_a_retry_in_mid_batch_loses_nothing_after_it(self, kit: Kit) -> None:
        """When one message of a batch is retried and the others are acknowledged, it alone comes again."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"0", b"1", b"2", b"3")
            batch = await kit.receive(subscription, 4)
            for delivery in batch:
                await delivery.settle(Retry() if delivery.message.payload == b"1" else ACK)
            [again] = await kit.take(subscription)
            await kit.assert_silent(subscription, socket, topic)
        assert again.payload == b"1"

    @scenario("retry>=seek", "attempts")
    async def test_attempts_are_counted(self, kit: Kit) -> None:
        """The attempt is 1 on the first delivery and rises with each redelivery, which is flagged as such."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"body")
            seen: list[tuple[int | None, bool | None]] = []
            for _ in range(3):
                [delivery] = await kit.receive(subscription)
                seen.append((delivery.attempt, delivery.redelivered))
                await delivery.settle(Retry())
        assert seen == [(1, False), (2, True), (3, True)]

    @scenario("attempts", "groups", "durable", "ack")
    async def test_attempts_outlive_the_member(self, kit: Kit) -> None:
        """The count of attempts goes on when a member leaves without settling, and says that it was delivered."""
        topic, group = kit.topic(), kit.unique("group")
        seen: list[tuple[int | None, bool | None]] = []
        async with kit.socket() as socket:
            for life in range(3):
                async with kit.subscribed(socket, topic, group=group) as subscription:
                    if life == 0:
                        await kit.publish(socket, topic, b"body")
                    [delivery] = await kit.receive(subscription)
                    seen.append((delivery.attempt, delivery.redelivered))
        assert seen == [(1, False), (2, True), (3, True)]

    @scenario("retry_delay", "retry>=seek")
    async def test_a_delayed_retry_comes_by_itself(self, kit: Kit) -> None:
        """A message that is retried with a delay comes again without any other message; a longer delay lasts longer."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"in an hour", b"at once")
            hour, soon = await kit.receive(subscription, 2)
            await hour.settle(Retry(delay=3600))
            await soon.settle(Retry(delay=0.02))
            [again] = await kit.receive(subscription)
            await again.settle(Retry(delay=0.02))
            [last] = await kit.take(subscription)
            await kit.assert_silent(subscription, socket, topic)
        assert (again.message.payload, last.payload) == (b"at once", b"at once")
        if kit.capabilities.attempts:
            assert again.attempt == 2

    @scenario("retry_delay")
    async def test_a_delayed_retry_does_not_hold_up_others(self, kit: Kit) -> None:
        """While one message waits for its delayed retry, others are delivered."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"later")
            [delivery] = await kit.receive(subscription)
            await delivery.settle(Retry(delay=3600))
            await kit.assert_silent(subscription, socket, topic)

    @scenario("retry_delay", "groups", "durable", "ack")
    async def test_a_delayed_retry_outlives_its_member(self, kit: Kit) -> None:
        """A message whose delayed retry is not due when its member leaves comes to the next member when it is."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"later")
                [delivery] = await kit.receive(subscription)
                await delivery.settle(Retry(delay=0.02))
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
                await kit.assert_silent(subscription, socket, topic)
        assert message.payload == b"later"
