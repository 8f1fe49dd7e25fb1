"""How sockets open and close: alone, again and again, many at once, cancelled, and while they are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core.errors import SocketClosedError, TransportError
from spa_core.message import SpaMessage
from spa_core.testing.scenario import scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.testing.kit import Kit
    from spa_core.transport import ConnectionEvent, TransportSocket

__all__ = ["Lifecycle"]


class Lifecycle:
    """Scenarios about opening and closing."""

    @scenario()
    async def test_opening_and_closing_are_told(self, kit: Kit) -> None:
        """The listener hears of the connection by the time the socket is open, and of its end once."""
        async with kit.socket():
            opened = _states(kit.events)
        assert opened == ["connected"]
        assert _states(kit.events) == ["connected", "closed"]

    @scenario()
    async def test_leaving_again_does_nothing(self, kit: Kit) -> None:
        """Leaving a socket that was left, or that was never entered, raises nothing and tells the listener nothing."""
        never, once = kit.provider.open(kit.events.append), kit.provider.open(kit.events.append)
        await never.__aexit__(None, None, None)
        unopened = _states(kit.events)
        async with once:
            pass
        await once.__aexit__(None, None, None)
        assert unopened == []
        assert _states(kit.events) == ["connected", "closed"]

    @scenario("health")
    async def test_health_follows_the_socket(self, kit: Kit) -> None:
        """``check`` passes while the socket is open, and raises ``SocketClosedError`` before and after."""
        opening = kit.provider.open(kit.events.append)
        with pytest.raises(SocketClosedError):
            await opening.check()
        async with opening as socket:
            await socket.check()
        with pytest.raises(SocketClosedError):
            await socket.check()

    @scenario("restartable")
    async def test_a_provider_opens_sockets_again(self, kit: Kit) -> None:
        """Three times in a row a provider's socket opens, carries messages and closes."""
        for _ in range(3):
            await _prove_delivery(kit)
        assert _states(kit.events) == ["connected", "closed"] * 3

    @scenario("restartable", "groups", "durable", "ack")
    async def test_a_group_misses_nothing_while_its_socket_is_closed(self, kit: Kit) -> None:
        """Over three restarts of its member's socket a group gets each message once, those sent meanwhile included."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as keeper:
            seen: list[bytes] = []
            for life in range(3):
                async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as subscription:
                    await kit.publish(keeper, topic, f"present {life}".encode())
                    seen += [message.payload for message in await kit.take(subscription, 2 if life else 1)]
                    await kit.assert_silent(subscription, keeper, topic)
                await kit.publish(keeper, topic, f"absent {life + 1}".encode())
        assert sorted(seen) == [b"absent 1", b"absent 2", b"present 0", b"present 1", b"present 2"]

    @scenario("persistent", "groups", "durable", "ack")
    async def test_messages_outlive_the_last_socket(self, kit: Kit) -> None:
        """What a group has not taken is there after all sockets were closed."""
        topic, group = kit.topic(), kit.unique("group")
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as subscription:
            await kit.publish(socket, topic, b"settled", b"kept")
            [settled, kept] = await kit.receive(subscription, 2)
            await kit.settle([settled])
        async with kit.socket() as socket, kit.subscribed(socket, topic, group=group) as subscription:
            [message] = await kit.take(subscription)
        assert message.payload == kept.message.payload == b"kept"

    @scenario()
    async def test_closing_one_socket_leaves_the_others(self, kit: Kit) -> None:
        """Sockets of one provider are independent: what one of them is doing goes on when another one closes."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with kit.socket() as other, kit.subscribed(other, topic) as another:
                await kit.publish(other, topic, b"both")
                await kit.take(another)
            await kit.publish(socket, topic, b"one")
            payloads = [message.payload for message in await kit.take(subscription, 2)]
        assert payloads == [b"both", b"one"]

    @scenario()
    async def test_ten_sockets_open_and_close_at_once(self, kit: Kit) -> None:
        """Ten sockets that open, publish and close at the same time do not disturb each other or those that stay."""
        topic = kit.topic()
        opened: list[int] = []

        async def live(number: int) -> None:
            async with kit.socket() as passing:
                opened.append(number)
                await kit.until(lambda: len(opened) == 10, "ten sockets are open at once")
                await kit.publish(passing, topic, b"%d" % number)

        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(live, number)
            payloads = [message.payload for message in await kit.take(subscription, 10)]
            await kit.assert_silent(subscription, socket, topic)
        assert sorted(payloads) == [b"%d" % number for number in range(10)]

    @scenario()
    async def test_a_cancelled_opening_leaves_nothing_behind(self, kit: Kit) -> None:
        """Opening may be cancelled at any point: a connection that was told of is told to have ended; others open."""

        async def open_and_wait() -> None:
            async with kit.provider.open(kit.events.append):
                await anyio.sleep_forever()

        for turns in (0, 1, 2, 3, 5, 8, 13, 100, 1000):
            kit.events.clear()
            await kit.cut_short(open_and_wait, turns)
            assert _states(kit.events) in ([], ["closed"], ["connected", "closed"]), f"cancelled after {turns} turns"
        await _prove_delivery(kit)

    @scenario("groups", "durable", "ack")
    async def test_a_cancelled_owner_gives_back_what_it_had(self, kit: Kit) -> None:
        """When the task that owns a socket is cancelled the socket closes, and the group gets back what it had."""
        topic, group = kit.topic(), kit.unique("group")
        received = anyio.Event()
        events: list[ConnectionEvent] = []

        async def own() -> None:
            async with kit.provider.open(events.append) as doomed, kit.subscribed(doomed, topic, group=group) as mine:
                await kit.publish(doomed, topic, b"in hand")
                await kit.receive(mine)
                received.set()
                await anyio.sleep_forever()

        async with kit.socket() as socket:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(own)
                await received.wait()
                tasks.cancel_scope.cancel()
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
        assert message.payload == b"in hand"
        assert _states(events) == ["connected", "closed"]

    @scenario("confirms")
    async def test_closing_while_publishing_hangs_and_loses_nothing(self, kit: Kit) -> None:
        """When a socket closes under its publishers each of them ends, and every publish that returned arrives."""
        topic = kit.topic()
        some_arrived = anyio.Event()
        accepted: set[bytes] = set()
        seen: set[bytes] = set()

        async def publish(socket: TransportSocket, name: int) -> None:
            for number in range(100):
                if number == 20:
                    await some_arrived.wait()  # so that there is more to publish when the socket closes
                payload = f"{name} {number}".encode()
                try:
                    await socket.publish(SpaMessage(topic=topic, payload=payload))
                except TransportError:
                    return
                accepted.add(payload)

        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            async with anyio.create_task_group() as tasks, kit.socket() as closing:
                for name in range(5):
                    tasks.start_soon(publish, closing, name)
                seen |= {message.payload for message in await kit.take(subscription)}
                some_arrived.set()
            while not accepted <= seen:
                seen |= {message.payload for message in await kit.take(subscription)}


def _states(events: Sequence[ConnectionEvent]) -> list[str]:
    return [event.state for event in events]


async def _prove_delivery(kit: Kit) -> None:
    """Open a socket, and send a message through it and back."""
    topic = kit.topic()
    async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
        await kit.publish(socket, topic, b"through")
        [message] = await kit.take(subscription)
    assert message.payload == b"through"
