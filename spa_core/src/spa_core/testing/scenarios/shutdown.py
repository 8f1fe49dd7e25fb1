"""How work ends in good order: nothing new is fetched, what was begun is finished, the rest is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import ConsumerApplication
from spa_core.errors import EndOfSubscription
from spa_core.testing.parties import running
from spa_core.testing.scenario import scenario
from spa_core.transport import ACK, Retry

if TYPE_CHECKING:
    from spa_core import SpaMessage
    from spa_core.testing.kit import Kit

__all__ = ["Shutdown"]


class Shutdown:
    """Scenarios about draining."""

    @scenario()
    async def test_stop_fetching_ends_whoever_waits(self, kit: Kit) -> None:
        """Two tasks that wait for messages both get ``EndOfSubscription`` when fetching is stopped."""
        topic = kit.topic()
        ended: list[str] = []
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:

            async def receive(name: str) -> None:
                with pytest.raises(EndOfSubscription):
                    await subscription.receive_batch(10)
                ended.append(name)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive, "one")
                tasks.start_soon(receive, "two")
                await kit.let_run()
                await subscription.stop_fetching()
        assert sorted(ended) == ["one", "two"]

    @scenario()
    async def test_nothing_is_handed_out_after_stop_fetching(self, kit: Kit) -> None:
        """After fetching was stopped, once or twice, ``receive_batch`` hands out nothing, whatever waits."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, b"0", b"1", b"2")
            await kit.take(subscription)
            for _ in range(2):
                await subscription.stop_fetching()
                with pytest.raises(EndOfSubscription), anyio.fail_after(kit.patience):
                    await subscription.receive_batch(10)

    @scenario("groups", "durable", "ack")
    async def test_settling_goes_on_after_stop_fetching(self, kit: Kit) -> None:
        """What was handed out can be acknowledged after fetching was stopped; the group gets what was not, and once."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"0", b"1", b"2", b"3")
                batch = sorted(await kit.receive(subscription, 2), key=lambda each: each.message.payload)
                await subscription.stop_fetching()
                told = [await delivery.settle(ACK) for delivery in batch]
            async with kit.subscribed(socket, topic, group=group) as subscription:
                rest = await kit.take(subscription, 2)
                await kit.assert_silent(subscription, socket, topic)
        done = {delivery.message.payload for delivery in batch}
        assert (told, done | {message.payload for message in rest}) == ([True, True], {b"0", b"1", b"2", b"3"})

    @scenario("groups", "durable", "ack")
    async def test_what_is_retried_while_draining_goes_to_the_next_member(self, kit: Kit) -> None:
        """What is retried after fetching was stopped is not handed out there again: the next member gets it."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket:
            async with kit.subscribed(socket, topic, group=group) as subscription:
                await kit.publish(socket, topic, b"again")
                [delivery] = await kit.receive(subscription)
                await subscription.stop_fetching()
                await delivery.settle(Retry())
                with pytest.raises(EndOfSubscription), anyio.fail_after(kit.patience):
                    await subscription.receive_batch(10)
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
                await kit.assert_silent(subscription, socket, topic)
        assert message.payload == b"again"

    @scenario()
    async def test_stop_fetching_concerns_one_subscription(self, kit: Kit) -> None:
        """Other subscriptions of the socket get messages after one of them has stopped fetching."""
        topic = kit.topic()
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic) as stopped,
            kit.subscribed(socket, topic) as sibling,
        ):
            await stopped.stop_fetching()
            await kit.publish(socket, topic, *(b"%d" % number for number in range(20)))
            messages = await kit.take(sibling, 20)
        assert len({message.payload for message in messages}) == 20

    @scenario("groups", "durable", "ack")
    async def test_a_drained_application_finishes_what_it_began(self, kit: Kit) -> None:
        """Handlers that run when draining begins are finished and their messages settled; no others are begun."""
        topic, group = kit.topic(), kit.unique("group")
        begun, handled = list[bytes](), list[bytes]()
        go_on = anyio.Event()

        async def handle(message: SpaMessage) -> None:
            begun.append(message.payload)
            await go_on.wait()
            handled.append(message.payload)

        application = ConsumerApplication(handle, kit.provider, topics=topic, group=group)
        async with kit.socket() as socket:
            async with running(kit, application) as runner:
                await kit.publish(socket, topic, *(b"%d" % number for number in range(5)))
                await kit.until(lambda: begun, "a handler begins")
                runner.stop()
                await kit.until(lambda: application.status == "draining", "the application drains")
                await kit.publish(socket, topic, b"5", b"6")
                go_on.set()
            async with kit.subscribed(socket, topic, group=group) as subscription:
                rest = await kit.take(subscription, 7 - len(handled))
                await kit.assert_silent(subscription, socket, topic)
        assert runner.ending == "drained"
        assert sorted(handled + [message.payload for message in rest]) == [b"%d" % number for number in range(7)]
        assert begun == handled != []

    @scenario("groups", "durable", "ack")
    async def test_a_deadline_gives_messages_back(self, kit: Kit) -> None:
        """A handler that does not end in time is cancelled: its message goes back, and is no failure of the handler."""
        topic, group = kit.topic(), kit.unique("group")
        begun = anyio.Event()

        async def hang(message: SpaMessage) -> None:  # noqa: ARG001 - it is not looked at
            begun.set()
            await anyio.sleep_forever()

        application = ConsumerApplication(hang, kit.provider, topics=topic, group=group)
        async with kit.socket() as socket:
            async with running(kit, application, shutdown_timeout=0.01) as runner:
                await kit.publish(socket, topic, b"too long")
                await begun.wait()
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
                await kit.assert_silent(subscription, socket, topic)
        counts = application.progress.counts if application.progress is not None else None
        assert counts is not None
        assert (runner.ending, message.payload) == ("timed-out", b"too long")
        assert (counts.cancelled, counts.failed, counts.dead_lettered) == (1, 0, 0)

    @scenario()
    async def test_an_idle_application_drains_at_once(self, kit: Kit) -> None:
        """An application with nothing to finish is drained however long its handlers would have been given."""
        topic = kit.topic()

        async def handle(message: SpaMessage) -> None:
            """Have nothing to do."""

        application = ConsumerApplication(handle, kit.provider, topics=topic, group=kit.own_group())
        with anyio.fail_after(2 * kit.patience):
            async with running(kit, application, shutdown_timeout=100 * kit.patience) as runner:
                pass
        assert (runner.ending, application.status) == ("drained", "stopped")

    @scenario()
    async def test_a_drained_socket_ends_its_iteration(self, kit: Kit) -> None:
        """``stop_fetching`` on core's socket ends the loop over its messages behind those handed out."""
        topic = kit.topic()
        got: list[bytes] = []
        async with kit.spa_socket() as socket:
            await socket.subscribe(topic, group=kit.own_group())
            await socket.publish(topic, b"before")
            with anyio.fail_after(kit.patience):
                async for message in socket:
                    got.append(message.payload)
                    await socket.stop_fetching()
                    await socket.publish(topic, b"after")
        assert got == [b"before"]
