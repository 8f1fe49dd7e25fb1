"""What a cancellation leaves behind: nothing open, nothing lost, nothing acknowledged that was not handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spa_core import ConsumerApplication
from spa_core.testing.parties import running
from spa_core.testing.resources import Resources
from spa_core.testing.scenario import scenario
from spa_core.transport import ACK

if TYPE_CHECKING:
    from spa_core import SpaMessage, SpaSocket
    from spa_core.testing.kit import Kit
    from spa_core.transport import Delivery

__all__ = ["Cancellation"]


class Cancellation:
    """Scenarios about cancellation."""

    @scenario()
    async def test_a_cancelled_receive_loses_nothing(self, kit: Kit) -> None:
        """``receive_batch`` may be cancelled at any moment, also while a message comes in: each arrives once."""
        topic = kit.topic()
        received: list[Delivery] = []
        settled = 0
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:

            async def receive() -> None:
                received.extend(await subscription.receive_batch(10))

            sent = [b"%02d" % number for number in range(60)]
            for payload in sent:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(receive)
                    await kit.let_run(kit.random.randrange(3))
                    await kit.publish(socket, topic, payload)
                    await kit.let_run(kit.random.randrange(6))
                    tasks.cancel_scope.cancel()
                # Brokers send only so many ahead that are not settled.
                await kit.settle(received[settled:])
                settled = len(received)
            received += await kit.receive(subscription, len(sent) - len(received))
            await kit.settle(received[settled:])
            await kit.assert_silent(subscription, socket, topic)
        assert sorted(delivery.message.payload for delivery in received) == sent

    @scenario()
    async def test_a_waiting_receive_can_be_cancelled(self, kit: Kit) -> None:
        """A cancelled ``receive_batch`` ends by the cancellation, and the subscription goes on."""
        topic = kit.topic()
        returned: list[object] = []
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:

            async def receive() -> None:
                returned.append(await subscription.receive_batch(10))

            for turns in (0, 1, 2, 5, 20):
                await kit.cut_short(receive, turns)
            assert returned == []
            await kit.assert_silent(subscription, socket, topic)

    @scenario()
    async def test_a_cancelled_iteration_loses_nothing(self, kit: Kit) -> None:
        """Waiting for a socket's next message may be cancelled at any moment, and the iteration goes on behind it."""
        topic = kit.topic()
        received: list[bytes] = []
        async with kit.spa_socket() as socket, kit.socket() as other:
            await socket.subscribe(topic, group=kit.own_group())

            async def receive() -> None:
                received.append((await anext(socket.__aiter__())).payload)

            sent = [b"%02d" % number for number in range(40)]
            for payload in sent:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(receive)
                    await kit.publish(other, topic, payload)
                    await kit.let_run(kit.random.randrange(12))
                    tasks.cancel_scope.cancel()
            with anyio.fail_after(kit.patience):
                while len(received) < len(sent):
                    await receive()
        assert sorted(received) == sent

    @scenario(alone=True)
    async def test_a_cancelled_life_leaves_nothing_open(self, kit: Kit) -> None:
        """A program cancelled at any moment while it opens, subscribes, asks or closes leaves nothing open."""
        topic = kit.topic()
        async with kit.spa_socket() as other:
            await other.check()  # an answered call proves that whatever serves this socket has begun
            before = Resources.now()

            async def live() -> None:
                async with kit.provider.create_socket() as socket:
                    await socket.subscribe([topic, kit.topic()], group=kit.own_group())
                    await socket.publish(topic, b"published")
                    if kit.capabilities.reply:
                        await socket.request(topic, b"asked", timeout=kit.patience)
                    await anyio.sleep_forever()

            for turns in range(40):
                await kit.cut_short(live, turns)
            await kit.nothing_left_since(before)
            await other.check()

    @scenario("groups", "durable", "ack")
    async def test_a_cancelled_handler_is_not_acknowledged(self, kit: Kit) -> None:
        """A message whose handler was cancelled is delivered to the group again; no attempt is made meanwhile."""
        topic, group = kit.topic(), kit.unique("group")
        begun: list[bytes] = []

        async def hang(message: SpaMessage) -> None:
            begun.append(message.payload)
            await anyio.sleep_forever()

        application = ConsumerApplication(hang, kit.provider, topics=topic, group=group)
        async with kit.socket() as socket:
            async with running(kit, application):
                await kit.publish(socket, topic, b"interrupted")
                await kit.until(lambda: begun, "the handler begins")
                application.cancel()
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
                await kit.assert_silent(subscription, socket, topic)
        assert (begun, message.payload) == ([b"interrupted"], b"interrupted")

    @scenario("groups", "durable", "ack")
    async def test_a_cancelled_loop_body_is_not_acknowledged(self, kit: Kit) -> None:
        """A message whose loop body was cancelled goes back to the group, and those before it do not."""
        topic, group = kit.topic(), kit.unique("group")
        got: list[bytes] = []

        async def iterate(socket: SpaSocket) -> None:
            async for message in socket:
                got.append(message.payload)
                if message.payload == b"1":
                    await anyio.sleep_forever()

        async with kit.socket() as other:
            async with kit.spa_socket() as socket, anyio.create_task_group() as tasks:
                await socket.subscribe(topic, group=group)
                tasks.start_soon(iterate, socket)
                await kit.publish(other, topic, b"0", b"1", b"2")
                await kit.until(lambda: b"1" in got, "the loop gets to the second message")
                tasks.cancel_scope.cancel()
            async with kit.subscribed(other, topic, group=group) as subscription:
                rest = await kit.until_silent(subscription, other, topic)
                for delivery in rest:
                    await delivery.settle(ACK)
        assert sorted(delivery.message.payload for delivery in rest) == [b"1", b"2"]
