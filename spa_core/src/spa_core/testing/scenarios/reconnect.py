"""What a lost connection does to a program: nothing, but that it takes longer; gated by what the author can break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from spa_core import ConsumerApplication, SpaMessage
from spa_core.errors import RequestError, TransportError
from spa_core.testing.hooks import Hooks
from spa_core.testing.parties import answering, echo, running
from spa_core.testing.resources import Resources
from spa_core.testing.scenario import scenario
from spa_core.transport import ACK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from spa_core import SpaSocket
    from spa_core.testing.kit import Kit
    from spa_core.transport import Subscription, TransportSocket

__all__ = ["Reconnect"]


T = TypeVar("T")


class Reconnect(Hooks):
    """Scenarios about lost connections."""

    @scenario("reconnect", hook="cut_network")
    async def test_a_subscription_goes_on_after_a_cut(self, kit: Kit) -> None:
        """Whoever waits for a message waits on through a cut, and gets what the socket publishes afterwards."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_take_until, kit, subscription, {b"after"})
                await kit.let_run()
                async with self.cut_network():
                    await kit.let_run()
                await _publish_surely(kit, socket, topic, b"after")
            await kit.assert_silent(subscription, socket, topic)

    @scenario("reconnect", hook="cut_network")
    async def test_changes_of_the_connection_are_told_in_order(self, kit: Kit) -> None:
        """The listener hears of the loss with its reason, then of the new connection, each once, and of the end."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic):
            async with self.cut_network():
                await kit.until(lambda: _states(kit)[-1] == "disconnected", "the loss is told")
            await kit.until(lambda: _states(kit)[-1] == "connected", "the new connection is told")
            await _publish_surely(kit, socket, topic, b"after")
        assert _states(kit) == ["connected", "disconnected", "connected", "closed"]
        assert kit.events[1].reason

    @scenario("reconnect", "confirms>=broker", hook="cut_network")
    async def test_nothing_is_accepted_while_nobody_can_have_it(self, kit: Kit) -> None:
        """During an outage ``publish`` waits or raises; what waited arrives when the network is back."""
        topic = kit.topic()
        accepted, refused = list[bytes](), list[TransportError]()

        async def publish(socket: TransportSocket) -> None:
            try:
                await socket.publish(SpaMessage(topic=topic, payload=b"during"))
            except TransportError as error:
                refused.append(error)
            else:
                accepted.append(b"during")

        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            # In this order the network is back before the task is waited for.
            async with anyio.create_task_group() as tasks, self.cut_network():
                tasks.start_soon(publish, socket)
                await kit.let_run(200)
                assert accepted == []
            await _publish_surely(kit, socket, topic, b"after")
            await _take_until(kit, subscription, {*accepted, b"after"})
        assert len(accepted) + len(refused) == 1

    @scenario("reconnect", "groups", "durable", "ack", "confirms>=broker", hook="cut_network")
    async def test_three_cuts_lose_nothing(self, kit: Kit) -> None:
        """Of what a publisher got accepted while the network was cut three times, everything arrives at the group."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as here,
            kit.socket() as there,
            kit.subscribed(there, topic, group=group) as subscription,
        ):
            await _publish_through(kit, here, subscription, topic, self._cut_and_restore)

    @scenario("reconnect", "groups", "durable", "ack", hook="cut_network")
    async def test_what_was_in_hand_is_settled_or_comes_again(self, kit: Kit) -> None:
        """A delivery made before a cut can be acknowledged after it, or says that it cannot and comes again."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as subscription:
            await kit.publish(socket, topic, b"0", b"1", b"2")
            in_hand = await kit.receive(subscription, 3)
            await in_hand[0].settle(ACK)
            async with self.cut_network():
                await kit.let_run()
            await _publish_surely(kit, socket, topic, b"after")
            lost = {each.message.payload for each in in_hand[1:] if not await each.settle(ACK)}
            await _take_until(kit, subscription, lost | {b"after"})

    @scenario("reconnect", "prefetch", "groups", "durable", "ack", hook="cut_network")
    async def test_a_cut_frees_what_was_in_hand(self, kit: Kit) -> None:
        """Deliveries that a cut has made void do not count as in hand: with a prefetch of 2 messages go on coming."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, topic, group=group, prefetch=2) as subscription,
        ):
            sent = {b"%d" % number for number in range(10)}
            await kit.publish(socket, topic, *sorted(sent))
            for _ in range(3):
                in_hand = await kit.receive(subscription, 2)
                async with self.cut_network():
                    await kit.let_run()
                await _publish_surely(kit, socket, topic, b"after")
                sent -= {each.message.payload for each in in_hand if await each.settle(ACK)}
            await _take_until(kit, subscription, sent)

    @scenario("reconnect", "reply", hook="cut_network")
    async def test_requests_go_on_after_a_cut(self, kit: Kit) -> None:
        """A request that a cut surprises ends, by its reply or an error; later ones of the same socket are answered."""
        topic = kit.topic()
        async with answering(kit, topic, _echo_if_connected), kit.spa_socket() as socket:

            async def ask() -> bytes:
                return (await socket.request(topic, b"?", timeout=kit.patience / 10)).payload

            await _again(kit, ask)
            async with anyio.create_task_group() as tasks, self.cut_network():
                tasks.start_soon(_ending, ask)
                await kit.let_run()
            assert await _again(kit, ask) == b"?"
            assert socket.requests_pending == 0

    @scenario("reconnect", hook="cut_network")
    async def test_an_application_goes_on_after_a_cut(self, kit: Kit) -> None:
        """A running application survives a cut: it neither ends nor goes deaf, and ends in good order when asked to."""
        topic = kit.topic()
        handled = anyio.Event()

        async def handle(message: SpaMessage) -> None:  # noqa: ARG001 - it is not looked at
            handled.set()

        application = ConsumerApplication(handle, kit.provider, topics=topic, group=kit.own_group())
        async with running(kit, application) as runner, kit.socket() as socket:
            async with self.cut_network():
                await kit.let_run()
            with anyio.fail_after(kit.patience):
                while not handled.is_set():
                    # Published before the application is back it may be for nobody, so it is published again.
                    await _publish_surely(kit, socket, topic, b"after")
                    with anyio.move_on_after(kit.patience / 20):
                        await handled.wait()
        assert (runner.ending, application.status) == ("drained", "stopped")

    @scenario("reconnect", hook="cut_network")
    async def test_closing_without_a_network(self, kit: Kit) -> None:
        """A socket with a subscription closes in time while the broker cannot be reached, and leaves nothing open."""
        topic = kit.topic()
        before = Resources.now()
        opened, leave = anyio.Event(), anyio.Event()

        async def live() -> None:
            async with kit.socket() as socket, kit.subscribed(socket, topic):
                opened.set()
                await leave.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live)
            await opened.wait()
            async with self.cut_network():
                leave.set()
                await kit.until(lambda: _states(kit)[-1] == "closed", "the socket closes")
        await kit.nothing_left_since(before)

    @scenario("reconnect", "persistent", "groups", "durable", "ack", hook="restart_broker")
    async def test_restarts_of_the_broker_lose_nothing(self, kit: Kit) -> None:
        """What a publisher got accepted while the broker was restarted, and not as a message for nobody, arrives."""
        topic, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as here,
            kit.socket() as there,
            kit.subscribed(there, topic, group=group) as subscription,
        ):
            await _publish_through(kit, here, subscription, topic, self.restart_broker)

    @scenario("reconnect", hook="restart_broker")
    async def test_a_socket_goes_on_after_a_restart(self, kit: Kit) -> None:
        """A broker that forgets everything when it restarts is told again who subscribes to what."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await self.restart_broker()
            await _publish_surely(kit, socket, topic, b"after")
            await _take_until(kit, subscription, {b"after"})

    async def _cut_and_restore(self) -> None:
        async with self.cut_network():
            for _ in range(20):
                await checkpoint()


def _states(kit: Kit) -> list[str]:
    return [event.state for event in kit.events]


async def _again(kit: Kit, call: Callable[[], Awaitable[T]]) -> T:
    """Call until nothing is wrong with the connection any more."""
    with anyio.fail_after(kit.patience):
        while True:
            try:
                return await call()
            except (TransportError, RequestError):
                await checkpoint()


async def _ending(call: Callable[[], Awaitable[object]]) -> None:
    """Call once; it may end by an error of the connection."""
    try:
        await call()
    except (TransportError, RequestError):
        return


async def _echo_if_connected(socket: SpaSocket, message: SpaMessage) -> None:
    """Answer; a cut may come between the answer and its confirmation."""
    try:
        await echo(socket, message)
    except TransportError:
        return


async def _publish_surely(kit: Kit, socket: TransportSocket, topic: str, payload: bytes) -> None:
    """Publish until it is accepted; one of which the transport knows that nobody has got it is not."""
    message = SpaMessage(topic=topic, payload=payload)
    with anyio.fail_after(kit.patience):
        while await _again(kit, lambda: socket.publish(message)) is False:
            await checkpoint()


async def _take_until(kit: Kit, subscription: Subscription, wanted: set[bytes]) -> None:
    """Take and acknowledge messages, repeated ones too, until all that are wanted have come."""
    missing = set(wanted)
    while missing:
        missing -= {message.payload for message in await kit.take(subscription)}


async def _publish_through(
    kit: Kit,
    socket: TransportSocket,
    subscription: Subscription,
    topic: str,
    disturb: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Publish a hundred messages while there are three disturbances, and take them all."""
    sent = [b"%03d" % number for number in range(100)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_take_until, kit, subscription, set(sent))
        for round_ in range(4):
            async with anyio.create_task_group() as disturbance:
                if round_:
                    disturbance.start_soon(disturb)
                for payload in sent[25 * round_ : 25 * (round_ + 1)]:
                    await _publish_surely(kit, socket, topic, payload)
                    await checkpoint()
