"""How deliveries end: acknowledged, given back, refused; the first settlement wins, and a late one does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Reject, Retry

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit
    from spa_core.transport import Delivery, Outcome

__all__ = ["Settlement"]


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
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"body")
            [delivery] = await kit.receive(subscription)
            told = [await delivery.settle(ACK), await delivery.settle(ACK), await delivery.settle(Retry())]
            await kit.assert_silent(subscription, socket, topic)
        assert told == [True, False, False]

    @scenario("retry>=seek")
    async def test_a_retry_is_not_undone_by_an_acknowledgement(self, kit: Kit) -> None:
        """A message that was retried first comes again, although an acknowledgement and a rejection follow."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"body")
            [delivery] = await kit.receive(subscription)
            told = [await delivery.settle(outcome) for outcome in (Retry(), ACK, Reject("too late"))]
            [again] = await kit.take(subscription)
        assert (told, again.payload) == ([True, False, False], b"body")

    @scenario("ack")
    async def test_of_settlements_at_once_one_takes_effect(self, kit: Kit) -> None:
        """When several tasks settle one delivery at the same time exactly one of them is told that it took effect."""
        topic = kit.topic()
        told: list[bool] = []

        async def settle(delivery: Delivery, outcome: Outcome) -> None:
            told.append(await delivery.settle(outcome))

        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"body")
            [delivery] = await kit.receive(subscription)
            async with anyio.create_task_group() as tasks:
                for outcome in (ACK, Reject("no"), ACK, Reject("never")):
                    tasks.start_soon(settle, delivery, outcome)
            await kit.assert_silent(subscription, socket, topic)
        assert sorted(told) == [False, False, False, True]

    @scenario("ack")
    async def test_settling_after_leaving_is_told(self, kit: Kit) -> None:
        """Settling after the subscription was left does nothing, says so, and raises nothing."""
        topic = kit.topic()
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=kit.group()) as subscription:
                await kit.publish(socket, topic, b"body")
                [delivery] = await kit.receive(subscription)
            applied = await delivery.settle(ACK)
        assert applied is False

    @scenario("ack")
    async def test_settling_after_closing_is_told(self, kit: Kit) -> None:
        """Settling after the socket was closed, of whatever outcome, does nothing, says so, and raises nothing."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"0", b"1", b"2")
            batch = await kit.receive(subscription, 3)
        outcomes: list[Outcome] = [ACK, Retry(), Reject("too late")]
        applied = [await delivery.settle(outcome) for delivery, outcome in zip(batch, outcomes, strict=True)]
        assert applied == [False, False, False]

    @scenario("groups", "durable", "ack")
    async def test_a_late_settlement_leaves_the_next_delivery_alone(self, kit: Kit) -> None:
        """A delivery that was given back and is settled later does not settle the same message's next delivery."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"body")
                [stale] = await kit.receive(subscription)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.receive(subscription)
                applied = await stale.settle(ACK)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
        assert (applied, message.payload) == (False, b"body")

    @scenario("ack")
    async def test_a_rejected_message_is_gone(self, kit: Kit) -> None:
        """A rejected message is not delivered again."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=kit.group()) as subscription:
            await kit.publish(socket, topic, b"body")
            [delivery] = await kit.receive(subscription)
            assert await delivery.settle(Reject("not wanted"))
            await kit.assert_silent(subscription, socket, topic)

    @scenario("groups", "durable", "ack")
    async def test_a_rejected_message_holds_up_nothing(self, kit: Kit) -> None:
        """A rejected message counts as finished: neither it nor those around it come again to the next member."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"0", b"1", b"2")
                first, second, third = await kit.receive(subscription, 3)
                await second.settle(Reject("not wanted"))
                await kit.settle([third, first])
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.assert_silent(subscription, socket, topic)
