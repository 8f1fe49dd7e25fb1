"""What a subscription gets: everything on its topics from entering it to leaving it, and nothing else."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core.errors import EndOfSubscription, SocketClosedError
from spa_core.message import SpaMessage
from spa_core.testing.scenario import scenario

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit
    from spa_core.transport import Subscription

__all__ = ["Subscribing"]


class Subscribing:
    """Scenarios about subscriptions to exact topics."""

    @scenario()
    async def test_a_subscription_is_live_once_it_is_entered(self, kit: Kit) -> None:
        """What is published right after a subscription was entered is the first that it gets, from whatever socket."""
        async with kit.socket() as socket, kit.socket() as other:
            for publisher in (socket, other, socket, other):
                topic = kit.topic()
                async with kit.subscribed(socket, topic) as subscription:
                    await kit.publish(publisher, topic, b"first")
                    [message] = await kit.take(subscription)
                assert message.payload == b"first"

    @scenario()
    async def test_one_subscription_to_several_topics(self, kit: Kit) -> None:
        """A subscription to several topics gets the messages of each, once, and each tells its own topic."""
        topics = [kit.topic("first"), kit.topic("second"), kit.topic("third", "deeper")]
        async with kit.socket() as socket, kit.subscribed(socket, *topics) as subscription:
            for topic in topics:
                await kit.publish(socket, topic, topic.encode())
            received = await kit.take(subscription, len(topics))
            await kit.assert_silent(subscription, socket, topics[0])
        assert sorted(message.topic for message in received) == sorted(topics)
        assert all(message.payload == message.topic.encode() for message in received)

    @scenario()
    async def test_topics_are_apart(self, kit: Kit) -> None:
        """A subscription to a topic gets nothing of its children, its parent, or topics that look much like it."""
        topic = kit.topic("flow", "north")
        strangers = [f"{topic}/pump", topic.rpartition("/")[0], f"{topic}1", topic[:-1], topic.upper(), f"{topic}/"]
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, *strangers) as witness,
            kit.subscribed(socket, topic) as subscription,
        ):
            for stranger in strangers:
                await kit.publish(socket, stranger, stranger.encode())
            # Once these have arrived where they belong, they would have arrived where they do not.
            received = await kit.take(witness, len(strangers))
            await kit.assert_silent(subscription, socket, topic)
            await kit.assert_silent(witness, socket, strangers[0])
        assert sorted(message.topic for message in received) == sorted(strangers)

    @scenario("fanout")
    async def test_the_same_topic_twice_on_one_socket(self, kit: Kit) -> None:
        """Two subscriptions of one socket to one topic both get every message, once each."""
        topic = kit.topic()
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic) as first,
            kit.subscribed(socket, topic) as second,
        ):
            await kit.publish(socket, topic, b"0", b"1", b"2")
            for subscription in (first, second):
                payloads = [message.payload for message in await kit.take(subscription, 3)]
                assert sorted(payloads) == [b"0", b"1", b"2"]
            await kit.publish(socket, topic, fence := kit.unique("fence").encode())
            for subscription in (first, second):
                assert [message.payload for message in await kit.take(subscription)] == [fence]

    @scenario("fanout")
    async def test_subscriptions_without_a_group_get_everything(self, kit: Kit) -> None:
        """Subscriptions of different sockets without a group each get every message, once."""
        topic = kit.topic()
        sent = [str(number).encode() for number in range(20)]
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(kit.socket()) for _ in range(3)]
            subscriptions = [await stack.enter_async_context(kit.subscribed(socket, topic)) for socket in sockets]
            await kit.publish(sockets[0], topic, *sent)
            received = [await kit.take(subscription, len(sent)) for subscription in subscriptions]
            await kit.assert_silent(subscriptions[0], sockets[1], topic)
        assert [sorted(message.payload for message in messages) for messages in received] == [sorted(sent)] * 3

    @scenario()
    async def test_fifty_subscriptions_to_twenty_topics_at_once(self, kit: Kit) -> None:
        """Fifty subscriptions that begin at the same time on twenty topics get the messages of their own topic only."""
        topics = [kit.topic() for _ in range(20)]
        wrong: list[tuple[str, list[bytes]]] = []
        live = 0
        published = anyio.Event()

        async def follow(topic: str) -> None:
            nonlocal live
            async with kit.subscribed(socket, topic) as subscription:
                live += 1
                await published.wait()
                payloads = sorted(message.payload for message in await kit.take(subscription, 3))
            if payloads != [f"{topic} {number}".encode() for number in range(3)]:
                wrong.append((topic, payloads))

        async with kit.socket() as socket, anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(follow, topics[number % 20])
            await kit.until(lambda: live == 50, "fifty subscriptions are live")
            for number in range(3):
                for topic in topics:
                    await kit.publish(socket, topic, f"{topic} {number}".encode())
            published.set()
        assert wrong == []

    @scenario("fanout")
    async def test_leaving_ends_one_subscription_only(self, kit: Kit) -> None:
        """After one subscription was left another one to the same topic on the same socket misses nothing."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as staying:
            async with kit.subscribed(socket, topic) as leaving:
                await kit.publish(socket, topic, b"both")
                await kit.take(leaving)
            await kit.publish(socket, topic, b"one")
            payloads = [message.payload for message in await kit.take(staying, 2)]
            await kit.assert_silent(staying, socket, topic)
        assert payloads == [b"both", b"one"]

    @scenario("fanout")
    async def test_whoever_comes_again_finds_no_backlog(self, kit: Kit) -> None:
        """A subscription without a group that comes back gets nothing that was published while it was away."""
        if kit.capabilities.replay:
            pytest.skip("this transport replays to whoever comes")
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as witness:
            async with kit.subscribed(socket, topic) as subscription:
                await kit.publish(socket, topic, b"taken", b"left behind")
                await kit.take(subscription)
            await kit.publish(socket, topic, b"missed")
            await kit.take(witness, 3)
            async with kit.subscribed(socket, topic) as subscription:
                await kit.assert_silent(subscription, socket, topic)

    @scenario("replay")
    async def test_a_new_subscription_gets_old_messages(self, kit: Kit) -> None:
        """A subscription that nobody had before gets what was published before it, then what comes."""
        topic = kit.topic()
        async with kit.socket() as socket:
            await kit.publish(socket, topic, b"old")
            async with kit.subscribed(socket, topic, group=kit.group()) as subscription:
                await kit.publish(socket, topic, b"new")
                payloads = [message.payload for message in await kit.take(subscription, 2)]
        assert payloads == [b"old", b"new"]

    @scenario("fanout")
    async def test_a_slow_subscription_does_not_hold_up_others(self, kit: Kit) -> None:
        """While one subscription takes nothing, and another settles nothing, a third gets every message."""
        topic = kit.topic()
        sent = [b"%d" % number for number in range(50)]
        async with (
            kit.socket() as socket,
            kit.socket() as other,
            kit.subscribed(other, topic, prefetch=1),
            kit.subscribed(other, topic, prefetch=1) as stuck,
            kit.subscribed(socket, topic) as quick,
        ):
            await kit.publish(socket, topic, sent[0])
            await kit.receive(stuck)
            # No more than fits into any window: a connection whose messages are settled in order must stop some time.
            await kit.publish(socket, topic, *sent[1:])
            payloads = [message.payload for message in await kit.take(quick, len(sent))]
        assert sorted(payloads) == sorted(sent)

    @scenario()
    async def test_leaving_ends_whoever_waits(self, kit: Kit) -> None:
        """When a subscription is left, a task that waits for its next message gets ``EndOfSubscription``."""
        topic = kit.topic()
        ended: list[bool] = []

        async def wait(subscription: Subscription) -> None:
            with pytest.raises(EndOfSubscription):
                await subscription.receive_batch(1)
            ended.append(True)

        async with (
            kit.socket() as socket,
            anyio.create_task_group() as tasks,
            kit.subscribed(socket, topic) as subscription,
        ):
            await kit.publish(socket, topic, b"the only one")
            await kit.take(subscription)
            tasks.start_soon(wait, subscription)
            await kit.let_run()
        assert ended == [True]

    @scenario()
    async def test_a_batch_is_as_large_as_asked_at_most(self, kit: Kit) -> None:
        """``receive_batch`` returns at least one message, and no more than it was asked for; the rest comes later."""
        topic = kit.topic()
        sent = {str(number).encode() for number in range(20)}
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, *sent)
            received: list[bytes] = []
            while len(received) < len(sent):
                most = kit.random.randint(1, 5)
                batch = await subscription.receive_batch(most)
                assert 1 <= len(batch) <= most
                received += (delivery.message.payload for delivery in batch)
                await kit.settle(batch)
        assert sorted(received) == sorted(sent)

    @scenario()
    async def test_subscribing_outside_of_the_context_is_refused(self, kit: Kit) -> None:
        """Subscribing before a socket is entered and after it was left raises ``SocketClosedError``."""
        opening = kit.provider.open(kit.events.append)
        for _ in ("before", "after"):
            with pytest.raises(SocketClosedError):
                async with kit.subscribed(opening, kit.topic()):
                    pass
            if not kit.events:
                async with opening:
                    pass
        assert [event.state for event in kit.events] == ["connected", "closed"]

    @scenario()
    async def test_a_cancelled_subscribing_leaves_nothing_behind(self, kit: Kit) -> None:
        """Subscribing may be cancelled at any point: nobody is left listening, and subscribing again works."""
        topic = kit.topic()

        async with kit.socket() as socket:

            async def subscribe() -> None:
                async with kit.subscribed(socket, topic):
                    await anyio.sleep_forever()

            for turns in (0, 1, 2, 3, 5, 8, 13, 100):
                await kit.cut_short(subscribe, turns)
            listened = await socket.publish(SpaMessage(topic=topic, payload=b"nobody listens"))
            async with kit.subscribed(socket, topic) as subscription:
                await kit.publish(socket, topic, b"somebody does")
                messages = await kit.take(subscription, 2 if kit.capabilities.replay else 1)
        assert messages[-1].payload == b"somebody does"
        if kit.capabilities.no_responders and kit.capabilities.fanout:
            assert listened is False
