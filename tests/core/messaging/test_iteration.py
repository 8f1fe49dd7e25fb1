"""Taking messages one by one: iterating over a socket, and having them put into a queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import SpaMessage
from spa_core.errors import DisconnectedError
from spa_core.transport import Ack, current_delivery

if TYPE_CHECKING:
    from tests.core.conftest import Broker, Eventually, Quiet

pytestmark = pytest.mark.anyio

TOPICS = {"default_subscription_topics": ("a",)}


def deliver(broker: Broker, *payloads: str) -> None:
    """Let messages arrive."""
    for payload in payloads:
        broker.deliver(SpaMessage(topic="a", payload=payload))


# -- iterating ---------------------------------------------------------------------------------------------------------


async def test_messages_come_in_order_and_are_settled_by_the_next(broker: Broker) -> None:
    """Each message counts as handled when the next one is asked for: not before, not later."""
    async with broker.provider(**TOPICS).create_socket() as socket:
        deliver(broker, "0", "1", "2", "3")
        number = 0
        async for message in socket:
            assert message.payload == str(number).encode()
            assert len(broker.settled) == number
            number += 1
            if number == 4:
                break

    assert broker.outcomes() == [Ack] * 3


async def test_the_message_whose_body_failed_is_given_back(broker: Broker) -> None:
    """An error in the body comes out as it is, and its message stays unsettled, to be delivered again."""

    async def iterate() -> None:
        async with broker.provider(**TOPICS).create_socket() as socket:
            deliver(broker, "good", "bad", "after")
            async for message in socket:
                if message.payload == b"bad":
                    raise KeyError(message.payload)

    with pytest.raises(KeyError):
        await iterate()

    assert [message.payload for message, _ in broker.settled] == [b"good"]
    assert b"bad" in [message.payload for message in broker.given_back]


async def test_iteration_ends_when_fetching_stops(broker: Broker) -> None:
    """What was handed out comes to its end, the last message is settled, and the loop ends."""
    got: list[bytes] = []
    async with broker.provider(**TOPICS).create_socket() as socket:
        deliver(broker, "0", "1", "2")
        with anyio.fail_after(5):
            async for message in socket:
                got.append(message.payload)
                if message.payload == b"0":
                    await socket.stop_fetching()

    assert got[0] == b"0"
    assert len(broker.settled) == len(got)


async def test_iteration_can_go_on_after_a_break(broker: Broker, quiet: Quiet) -> None:
    """Breaking off and iterating again goes on with the next message; nothing is lost or repeated in between."""
    got: list[bytes] = []
    async with broker.provider(**TOPICS).create_socket() as socket:
        deliver(broker, "0", "1", "2")
        for _ in range(3):
            async for message in socket:
                got.append(message.payload)
                break
            await quiet()

    assert got == [b"0", b"1", b"2"]
    assert len(broker.settled) == 2


async def test_iteration_broken_off_and_never_taken_up(broker: Broker) -> None:
    """An iteration that is broken off leaves nothing open, stopped or not."""
    for stop in (True, False):
        async with broker.provider(**TOPICS).create_socket() as socket:
            deliver(broker, "0", "1")
            async for _ in socket:
                break
            if stop:
                await socket.stop_fetching()

    assert broker.settled == []


async def test_asking_after_the_end(broker: Broker) -> None:
    """An iteration that has ended stays ended."""
    async with broker.provider(**TOPICS).create_socket() as socket:
        await socket.stop_fetching()
        for _ in range(2):
            assert [message async for message in socket] == []


async def test_a_cancelled_wait_loses_no_message(broker: Broker, quiet: Quiet) -> None:
    """Waiting for the next message may be given up and taken up again."""
    async with broker.provider(**TOPICS).create_socket() as socket:
        iterator = aiter(socket)
        with anyio.move_on_after(0.01):
            await anext(iterator)
        deliver(broker, "0")
        await quiet()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(iterator)

        with anyio.fail_after(5):
            assert (await anext(iterator)).payload == b"0"


async def test_the_body_knows_its_delivery(broker: Broker) -> None:
    """In the body of the loop ``current_delivery`` is what it handles."""
    async with broker.provider(**TOPICS).create_socket() as socket:
        deliver(broker, "0")
        async for message in socket:
            delivery = current_delivery.get()

            assert delivery is not None
            assert delivery.message is message
            break


async def test_all_subscriptions_are_iterated_over(broker: Broker) -> None:
    """Messages of every subscription come, those made in the body of the loop included."""
    got: list[str] = []
    async with broker.provider(**TOPICS).create_socket() as socket:
        await socket.subscribe("b")
        await socket.publish("a")
        with anyio.fail_after(5):
            async for message in socket:
                got.append(message.topic)
                if message.topic == "a":
                    await socket.publish("b")
                elif message.topic == "b":
                    await socket.subscribe("c")
                    await socket.publish("c")
                else:
                    break

    assert got == ["a", "b", "c"]


async def test_a_socket_may_request_and_publish_while_iterating(broker: Broker) -> None:
    """The body may ask a question over the same socket it iterates over."""

    def refuse(call: str, message: SpaMessage | None) -> None:
        if call == "publish" and message is not None and message.topic == "echo" and message.response_topic:
            broker.deliver(SpaMessage(topic=message.response_topic, payload=message.payload))

    broker.refuse = refuse
    async with broker.provider(**TOPICS).create_socket() as socket:
        deliver(broker, "0")
        async for message in socket:
            with anyio.fail_after(5):
                assert (await socket.request("echo", message.payload)).payload == b"0"
            break


async def test_a_lost_subscription_ends_the_iteration_with_its_error(broker: Broker) -> None:
    """An iteration over a subscription that is lost for good does not simply end: it fails."""

    async def iterate() -> None:
        async with broker.provider(**TOPICS).create_socket() as socket:
            broker.subscriptions[0].end()
            with anyio.fail_after(5):
                async for _ in socket:
                    pass

    with pytest.raises(DisconnectedError, match="ended unexpectedly"):
        await iterate()


# -- a queue -----------------------------------------------------------------------------------------------------------


class Queue:
    """A queue that has room when told."""

    def __init__(self) -> None:
        self.items: list[SpaMessage] = []
        self.room = anyio.Event()

    async def put(self, item: SpaMessage) -> None:
        """Put a message in."""
        await self.room.wait()
        self.items.append(item)


async def test_messages_are_put_into_a_queue(broker: Broker, eventually: Eventually, quiet: Quiet) -> None:
    """With a queue every message goes into it, and counts as handled once it is in."""
    queue = Queue()
    async with broker.provider(**TOPICS).create_socket(queue) as socket:
        await socket.subscribe("b")
        deliver(broker, "0", "1")
        await quiet()

        assert broker.settled == []

        queue.room.set()
        await socket.publish("b", b"2")
        await eventually(lambda: len(broker.settled) == 3)

    assert sorted(message.payload for message in queue.items) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_asyncio_queue_will_do(broker: Broker) -> None:
    """The origin's way: an ``asyncio.Queue`` given to ``create_socket``."""
    queue: asyncio.Queue[SpaMessage] = asyncio.Queue(maxsize=1)
    async with broker.provider(**TOPICS).create_socket(queue):
        deliver(broker, "0", "1", "2")
        with anyio.fail_after(5):
            got = [(await queue.get()).payload for _ in range(3)]

    assert got == [b"0", b"1", b"2"]


async def test_a_full_queue_holds_up_nothing_else(broker: Broker, quiet: Quiet) -> None:
    """While nobody takes from the queue, no more than one message of each subscription is in hand."""
    async with broker.provider(**TOPICS).create_socket(Queue()):
        deliver(broker, *map(str, range(50)))
        await quiet()

        assert broker.subscriptions[0].most_unsettled == 1

    assert len(broker.given_back) == 1


async def test_a_queue_that_fails_ends_the_socket(broker: Broker) -> None:
    """A queue that cannot take a message is an error, and the message is given back."""

    class Broken:
        async def put(self, item: SpaMessage) -> None:
            raise OverflowError(item.payload)

    async def use() -> None:
        async with broker.provider(**TOPICS).create_socket(Broken()):
            deliver(broker, "0")
            with anyio.fail_after(5):
                await anyio.sleep_forever()

    with pytest.raises(OverflowError):
        await use()

    assert [message.payload for message in broker.given_back] == [b"0"]


async def test_a_socket_with_a_queue_is_not_iterated_over(broker: Broker) -> None:
    """Messages go to one place: who gave a queue cannot iterate besides."""
    async with broker.provider(**TOPICS).create_socket(Queue()) as socket:
        with pytest.raises(RuntimeError, match="consumed already"):
            aiter(socket)


async def test_an_iterator_is_iterable(broker: Broker) -> None:
    """What ``aiter`` gives may be iterated over as well as asked for the next message."""
    async with broker.provider(**TOPICS).create_socket() as socket:
        deliver(broker, "0", "1")
        iterator = aiter(socket)
        got = [(await anext(iterator)).payload]
        async for message in iterator:
            got.append(message.payload)
            break

    assert got == [b"0", b"1"]
