"""Subscriptions of a socket: live when told so, once each, left in good order, and never lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spa_core import SpaMessage
from spa_core.envelopes import SpaDatEnvelope
from spa_core.errors import CapabilityError, ConnectError, DisconnectedError, EncodeError, SubscribeError, TopicError
from spa_core.transport import ACK, Ack, Capabilities

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.core.conftest import Broker, Eventually

    from spa_core import SpaSocket
    from spa_core.transport import Delivery, Subscription

pytestmark = pytest.mark.anyio


def subscribed(broker: Broker) -> list[tuple[tuple[str, ...], str | None]]:
    """Return what is subscribed to now."""
    return [(subscription.spec.topics, subscription.spec.group) for subscription in broker.subscriptions]


class Sink:
    """An intake that acknowledges and remembers everything."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []

    async def __call__(self, subscription: Subscription) -> None:
        """Take until there is no more."""
        while True:
            for delivery in await subscription.receive_batch(10):
                self.got.append(delivery)
                await delivery.settle(ACK)

    @property
    def payloads(self) -> list[bytes]:
        """What came, in order."""
        return [delivery.message.payload for delivery in self.got]


@pytest.fixture
def sink() -> Sink:
    """Return what takes a socket's messages."""
    return Sink()


async def consumed(socket: SpaSocket, sink: Sink, test: Callable[[], Awaitable[None]]) -> None:
    """Run a test while a sink consumes a socket."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(socket.consume, sink)
        await checkpoint()
        await test()
        await socket.stop_fetching()


# -- subscribing -------------------------------------------------------------------------------------------------------


async def test_default_topics_are_subscribed_when_the_socket_is_open(broker: Broker) -> None:
    """A socket listens to its configured topics, in its configured group, from the moment it is entered."""
    provider = broker.provider(default_subscription_topics=("a", "b/+"), group="g", prefetch=7)
    async with provider.create_socket():
        (subscription,) = broker.subscriptions

        assert subscription.spec.topics == ("a", "b/+")
        assert (subscription.spec.group, subscription.spec.prefetch, subscription.spec.reply) == ("g", 7, False)

    assert broker.subscriptions == []


async def test_one_topic_or_several(broker: Broker) -> None:
    """One topic, a list of them, and a generator are all accepted; a topic given twice is one."""
    async with broker.provider().create_socket() as socket:
        await socket.subscribe("a")
        await socket.subscribe(["b", "c", "b"], group="g")
        await socket.subscribe(topic for topic in ("d", "e"))

        assert subscribed(broker) == [(("a",), None), (("b", "c"), "g"), (("d", "e"), None)]


async def test_the_same_topics_again_do_nothing(broker: Broker) -> None:
    """A second subscription to the same topics, in whatever order, is the first one."""
    async with broker.provider().create_socket() as socket:
        await socket.subscribe(["a", "b"])
        await socket.subscribe(["b", "a"])

        assert len(broker.subscriptions) == 1


async def test_the_same_topics_at_the_same_time_are_one_subscription(broker: Broker) -> None:
    """Two tasks that subscribe to the same at once get one subscription, live when either returns."""
    async with broker.provider().create_socket() as socket:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(socket.subscribe, "a")

        assert len(broker.subscriptions) == 1


async def test_the_same_topics_in_another_group_are_refused(broker: Broker) -> None:
    """A socket cannot be in two groups for one set of topics, and it is not left in the wrong one without a word."""
    async with broker.provider().create_socket() as socket:
        await socket.subscribe("a", group="g")
        with pytest.raises(SubscribeError, match="group 'g'"):
            await socket.subscribe("a", group="other")
        with pytest.raises(SubscribeError):
            await socket.subscribe("a")

        assert subscribed(broker) == [(("a",), "g")]


@pytest.mark.parametrize("topics", ["", "a/#/b", ["a", "b+"], []])
async def test_what_is_no_filter(broker: Broker, topics: str | list[str]) -> None:
    """An invalid filter, or none at all, is refused before the transport is asked."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(TopicError):
            await socket.subscribe(topics)

    assert not [call for call in broker.calls if call.startswith("subscribe")]


@pytest.mark.parametrize(
    ("missing", "topic", "group"),
    [("groups", "a", "g"), ("fanout", "a", None), ("wildcards", "a/+", "g"), ("wildcards", "#", None)],
)
async def test_what_is_not_declared_is_refused(broker: Broker, missing: str, topic: str, group: str | None) -> None:
    """A group, fan-out or wildcard that the transport does not declare is refused before any I/O."""
    able = {"groups": True, "fanout": True, "wildcards": "mqtt", missing: "none" if missing == "wildcards" else False}
    async with broker.provider(capabilities=Capabilities(**able)).create_socket() as socket:
        with pytest.raises(CapabilityError) as caught:
            await socket.subscribe(topic, group=group)

    assert caught.value.capability == missing
    assert not [call for call in broker.calls if call.startswith("subscribe")]


async def test_a_refused_subscription_can_be_tried_again(broker: Broker) -> None:
    """What the broker refuses reaches the caller as it is, and leaves the socket as it was."""
    refusals = [SubscribeError("no", topics=("a",))]
    broker.refuse = lambda call, _message: refusals.pop() if call == "subscribe a" and refusals else None
    async with broker.provider().create_socket() as socket:
        with pytest.raises(SubscribeError):
            await socket.subscribe("a")
        await socket.subscribe("a")
        await socket.publish("b")

        assert len(broker.subscriptions) == 1


async def test_a_cancelled_subscription_leaves_nothing(broker: Broker) -> None:
    """Cancelling a subscribe call that takes long leaves no half of a subscription."""
    broker.before = {"subscribe a": anyio.sleep_forever}
    async with broker.provider().create_socket() as socket:
        with anyio.move_on_after(0.01) as scope:
            await socket.subscribe("a")
        broker.before = {}
        await socket.subscribe("a")

        assert scope.cancelled_caught
        assert len(broker.subscriptions) == 1


# -- unsubscribing -----------------------------------------------------------------------------------------------------


async def test_unsubscribing_stops_delivery(broker: Broker, sink: Sink, eventually: Eventually) -> None:
    """After unsubscribing nothing of these topics arrives, the others go on, and subscribing again is possible."""
    async with broker.provider().create_socket() as socket:
        await socket.subscribe("a")
        await socket.subscribe(["b", "c"])

        async def test() -> None:
            await socket.publish("a", b"1")
            await eventually(lambda: sink.payloads == [b"1"])
            await socket.unsubscribe("a")
            await socket.publish("a", b"lost")
            await socket.publish("b", b"2")
            await eventually(lambda: sink.payloads == [b"1", b"2"])
            await socket.subscribe("a")
            await socket.publish("a", b"3")
            await eventually(lambda: sink.payloads == [b"1", b"2", b"3"])

        await consumed(socket, sink, test)


async def test_unsubscribing_ends_the_subscription(broker: Broker, eventually: Eventually) -> None:
    """The transport's subscription is left, not only ignored."""
    async with broker.provider().create_socket() as socket:
        await socket.subscribe("a")
        await socket.unsubscribe("a")
        await eventually(lambda: "leave a" in broker.calls)

        assert broker.subscriptions == []


async def test_what_was_not_subscribed_cannot_be_left(broker: Broker) -> None:
    """The error names what there is: topics are left in the sets they were subscribed in."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(TopicError, match="none"):
            await socket.unsubscribe("a")
        await socket.subscribe(["b", "a"])
        with pytest.raises(TopicError, match="a, b"):
            await socket.unsubscribe("a")
        await socket.unsubscribe(["a", "b"])
        with pytest.raises(TopicError):
            await socket.unsubscribe(["a", "b"])


# -- consuming ---------------------------------------------------------------------------------------------------------


async def test_subscriptions_made_later_are_consumed_too(broker: Broker, sink: Sink, eventually: Eventually) -> None:
    """Whoever consumes a socket gets what it subscribes to meanwhile."""
    async with broker.provider(default_subscription_topics=("a",)).create_socket() as socket:

        async def test() -> None:
            await socket.subscribe("b")
            await socket.publish("a", b"1")
            await socket.publish("b", b"2")
            await eventually(lambda: sorted(sink.payloads) == [b"1", b"2"])

        await consumed(socket, sink, test)


async def test_a_handler_may_subscribe_and_unsubscribe(broker: Broker, eventually: Eventually) -> None:
    """What consumes the messages may itself change what is subscribed to, its own topic included."""
    got: list[bytes] = []

    async with broker.provider(default_subscription_topics=("a",)).create_socket() as socket:

        async def intake(subscription: Subscription) -> None:
            while True:
                for delivery in await subscription.receive_batch(1):
                    got.append(delivery.message.payload)
                    if delivery.message.topic == "a":
                        await socket.subscribe("b")
                        await socket.unsubscribe("a")
                        await socket.publish("b", b"2")
                    await delivery.settle(ACK)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.consume, intake)
            await checkpoint()
            await socket.publish("a", b"1")
            await eventually(lambda: got == [b"1", b"2"])
            await socket.stop_fetching()


async def test_messages_go_to_one_place(broker: Broker, sink: Sink) -> None:
    """A socket is consumed once: by its queue, by an iteration or by an application; a second claim is refused."""
    async with broker.provider().create_socket() as socket:
        aiter(socket)
        with pytest.raises(RuntimeError, match="consumed already"):
            await socket.consume(sink)


async def test_stopping_wakes_everybody(broker: Broker, sink: Sink) -> None:
    """Consuming ends when fetching is stopped, with nothing subscribed as well as with everything quiet."""
    async with broker.provider().create_socket() as socket, anyio.create_task_group() as tasks:
        tasks.start_soon(socket.consume, sink)
        await checkpoint()
        await socket.stop_fetching()
        await socket.stop_fetching()

    assert sink.got == []


async def test_stopping_before_consuming(broker: Broker, sink: Sink) -> None:
    """A socket that was stopped first is consumed to its end at once."""
    async with broker.provider(default_subscription_topics=("a",)).create_socket() as socket:
        await socket.stop_fetching()
        with anyio.fail_after(5):
            await socket.consume(sink)


async def test_subscribing_after_the_stop_starts_nothing(broker: Broker) -> None:
    """A subscription made by a handler that finishes during a drain hands out nothing and keeps nobody from ending."""
    got: list[str] = []
    async with broker.provider(default_subscription_topics=("a",)).create_socket() as socket:

        async def intake(subscription: Subscription) -> None:
            while True:
                for delivery in await subscription.receive_batch(1):
                    got.append(delivery.message.topic)
                    await socket.stop_fetching()
                    await socket.subscribe("b")
                    await socket.publish("b")
                    await delivery.settle(ACK)

        broker.deliver(SpaMessage(topic="a"))
        with anyio.fail_after(5):
            await socket.consume(intake)
        await socket.subscribe("c")

    assert got == ["a"]


async def until_it_ends(broker: Broker, error: Exception | None) -> None:
    """Consume a socket, end one of its two subscriptions, and wait until that is the end."""
    async with broker.provider(default_subscription_topics=("a",)).create_socket() as socket:
        await socket.subscribe("b")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.consume, Sink())
            await checkpoint()
            broker.subscriptions[0].end(error)
            with anyio.fail_after(5):
                await anyio.sleep_forever()


@pytest.mark.parametrize("error", [None, DisconnectedError("gone for good")], ids=["ended", "failed"])
async def test_a_subscription_that_ends_by_itself_is_an_error(broker: Broker, error: Exception | None) -> None:
    """An end that nobody asked for ends everything with an error: nobody goes on deaf."""
    with pytest.RaisesGroup(pytest.RaisesExc(DisconnectedError, match="a ended unexpectedly|gone for good")):
        await until_it_ends(broker, error)


# -- envelopes ---------------------------------------------------------------------------------------------------------


async def test_messages_come_out_of_their_envelope(broker: Broker, sink: Sink, eventually: Eventually) -> None:
    """With an envelope what is sent is wrapped, what arrives is unwrapped, and settling reaches the transport."""
    provider = broker.provider(default_subscription_topics=("a",)).with_envelope(SpaDatEnvelope())
    async with provider.create_socket() as socket:

        async def test() -> None:
            await socket.publish("a", {"litres": 7})
            await eventually(lambda: sink.got)
            broker.deliver(SpaMessage(topic="a", payload=b"no envelope"))
            await eventually(lambda: len(sink.got) == 2)

        await consumed(socket, sink, test)

    assert b'"Payload"' in broker.published[0].payload
    assert sink.payloads == [b'{"litres":7}', b"no envelope"]
    assert broker.outcomes() == [Ack, Ack]
    assert [(delivery.attempt, delivery.redelivered) for delivery in sink.got] == [(1, False)] * 2


async def test_a_letter_that_does_not_fit_goes_without_its_envelope(broker: Broker) -> None:
    """A dead letter is published in any case: what the envelope cannot hold goes out as it is."""
    async with broker.provider().with_envelope(SpaDatEnvelope()).create_socket() as socket:
        await socket.publish_letter(SpaMessage(topic="dead", payload=b"\xff"))
        await socket.publish_letter(SpaMessage(topic="dead", payload=b"text"))

    assert broker.published[0].payload == b"\xff"
    assert b'"Payload":"text"' in broker.published[1].payload


async def test_what_does_not_fit_the_envelope(broker: Broker) -> None:
    """A message that the envelope cannot hold is refused before it is sent."""
    async with broker.provider().with_envelope(SpaDatEnvelope()).create_socket() as socket:
        with pytest.raises(EncodeError):
            await socket.publish("a", b"\xff")

    assert broker.published == []


# -- closing -----------------------------------------------------------------------------------------------------------


async def test_closing_leaves_every_subscription_in_good_order(broker: Broker) -> None:
    """When the socket closes, subscriptions are left before the connection is, each once."""
    async with broker.provider(default_subscription_topics=("a",)).create_socket() as socket:
        await socket.subscribe("b")

    calls = [call for call in broker.calls if call.startswith(("leave", "disconnect"))]
    assert sorted(calls[:2]) == ["leave a", "leave b"]
    assert calls[2:] == ["disconnect"]


async def test_default_topics_that_are_refused(broker: Broker) -> None:
    """If a default topic is refused the socket does not open, and what was opened is closed."""
    broker.refuse = lambda call, _message: ConnectError("no") if call == "subscribe a" else None
    socket = broker.provider(default_subscription_topics=("a",)).create_socket()
    with pytest.raises(ConnectError):
        async with socket:
            pass

    assert broker.calls == ["connect", "subscribe a", "disconnect"]
    assert socket.connected is False
