"""How deliveries end: acknowledged, delivered again, refused; the first settlement wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Reject, Retry

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit


class Settlement:
    """Scenarios about settlement."""

    @scenario("groups", "durable", "ack")
    async def test_an_acknowledged_message_is_not_delivered_again(self, kit: Kit) -> None:
        """A message that was acknowledged is not delivered to the group again after its member left."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"done")
                await kit.take(subscription)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.assert_silent(subscription, socket, topic)

    @scenario("groups", "durable", "ack")
    async def test_an_unsettled_message_is_delivered_again(self, kit: Kit) -> None:
        """A message whose subscription was left before it was settled is delivered to the group again, unchanged."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [sent] = await kit.publish(socket, topic, b"again")
                await kit.receive(subscription)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
        assert (message.topic, message.payload) == (sent.topic, sent.payload)

    @scenario("retry")
    async def test_retry_delivers_the_same_message_again(self, kit: Kit) -> None:
        """``Retry`` delivers the same payload with the original headers again."""
        topic = kit.topic()
        headers = {"origin": "kit"} if kit.capabilities.headers else {}
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"body", headers=headers)
            [first] = await kit.receive(subscription)
            assert await first.settle(Retry())
            [second] = await kit.receive(subscription)
            await second.settle(ACK)
        assert second.message.payload == b"body"
        assert dict(second.message.headers) == headers

    @scenario("retry", "attempts")
    async def test_attempts_are_counted(self, kit: Kit) -> None:
        """The attempt is 1 on the first delivery and rises with each redelivery, which is flagged as such."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"body")
            seen: list[tuple[int | None, bool | None]] = []
            for _ in range(3):
                [delivery] = await kit.receive(subscription)
                seen.append((delivery.attempt, delivery.redelivered))
                await delivery.settle(Retry())
        assert seen == [(1, False), (2, True), (3, True)]

    @scenario("retry")
    async def test_a_hundred_retries_then_success(self, kit: Kit) -> None:
        """A message that is retried a hundred times and then acknowledged is delivered a hundred and one times."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"body")
            for _ in range(100):
                [delivery] = await kit.receive(subscription)
                await delivery.settle(Retry())
            await kit.take(subscription)
            await kit.assert_silent(subscription, socket, topic)

    @scenario("retry")
    async def test_a_retry_in_mid_batch_loses_nothing_after_it(self, kit: Kit) -> None:
        """When one message of a batch is retried and the others are acknowledged, it alone comes again."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"0", b"1", b"2", b"3")
            batch = await kit.receive(subscription, 4)
            for delivery in batch:
                await delivery.settle(Retry() if delivery.message.payload == b"1" else ACK)
            [again] = await kit.take(subscription)
            await kit.assert_silent(subscription, socket, topic)
        assert again.payload == b"1"

    @scenario("groups", "durable", "ack")
    async def test_acknowledging_out_of_order_loses_nothing(self, kit: Kit) -> None:
        """After acknowledgements out of order and a restart, exactly the unsettled messages come again."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, *(str(number).encode() for number in range(6)))
                batch = {d.message.payload: d for d in await kit.receive(subscription, 6)}
                for payload in (b"5", b"2", b"0"):
                    await batch[payload].settle(ACK)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                rest = {d.message.payload for d in await kit.until_silent(subscription, socket, topic)}
        assert {b"1", b"3", b"4"} <= rest
        if kit.capabilities.ack == "individual":
            assert rest == {b"1", b"3", b"4"}

    @scenario("ack")
    async def test_settling_twice_is_told(self, kit: Kit) -> None:
        """The first settlement takes effect and says so; a second one, of whatever outcome, does nothing."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"body")
            [delivery] = await kit.receive(subscription)
            told = [await delivery.settle(ACK), await delivery.settle(ACK), await delivery.settle(Retry())]
            await kit.assert_silent(subscription, socket, topic)
        assert told == [True, False, False]

    @scenario("ack")
    async def test_settling_after_leaving_is_told(self, kit: Kit) -> None:
        """Settling after the subscription was left does nothing, says so, and raises nothing."""
        topic = kit.topic()
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=_group(kit)) as subscription:
                await kit.publish(socket, topic, b"body")
                [delivery] = await kit.receive(subscription)
            applied = await delivery.settle(ACK)
        assert applied is False

    @scenario("ack")
    async def test_a_rejected_message_is_gone(self, kit: Kit) -> None:
        """A rejected message is not delivered again."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"body")
            [delivery] = await kit.receive(subscription)
            assert await delivery.settle(Reject("not wanted"))
            await kit.assert_silent(subscription, socket, topic)

    @scenario("retry_delay")
    async def test_a_delayed_retry_does_not_hold_up_others(self, kit: Kit) -> None:
        """While one message waits for its delayed retry, others are delivered."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=_group(kit)) as subscription:
            await kit.publish(socket, topic, b"later")
            [delivery] = await kit.receive(subscription)
            await delivery.settle(Retry(delay=3600))
            await kit.assert_silent(subscription, socket, topic)


def _group(kit: Kit) -> str | None:
    """A group where there are groups: some transports redeliver to groups only."""
    return kit.unique("group") if kit.capabilities.groups else None
