"""What goes wrong is told by one error of SPA's own, at the right time, with its cause and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import pytest

from spa_core import SpaMessage
from spa_core.errors import (
    AuthenticationError,
    ConnectError,
    EndOfSubscription,
    SocketClosedError,
    SpaError,
    TopicError,
)
from spa_core.testing.hooks import Hooks
from spa_core.testing.resources import Resources
from spa_core.testing.scenario import scenario
from spa_core.testing.stand_ins import StandIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spa_core import SpaSocket
    from spa_core.testing.kit import Kit

__all__ = ["Errors"]

BAD_TOPICS: Final = ("", "a/+/b", "a/#", "nul\0", "line\nend", "\ud800", "x" * 65_536, "/" * 200, "$share/group/topic")
BAD_FILTERS: Final = ("", "a#", "a/#/b", "+a", "nul\0", "\ud800", "$share/group/topic")


class Errors(Hooks):
    """Scenarios about errors."""

    @scenario()
    async def test_a_socket_outside_of_its_context_says_so(self, kit: Kit) -> None:
        """Whatever core's socket is asked for raises ``SocketClosedError`` before it is open and afterwards."""
        topic = kit.topic()
        socket = kit.provider.create_socket()
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: socket.publish(topic, b""),
            lambda: socket.publish_many([SpaMessage(topic=topic)]),
            lambda: socket.subscribe(topic, group=kit.own_group()),
            lambda: socket.unsubscribe(topic),
            lambda: socket.request(topic, b"", timeout=kit.patience),
            lambda: socket.check(),  # noqa: PLW0108 - one shape for all
            lambda: socket.stop_fetching(),  # noqa: PLW0108 - one shape for all
        ]
        await _assert_closed(calls)
        async with kit.in_time(socket):
            await socket.publish(topic, b"")
        await _assert_closed(calls)

    @scenario()
    async def test_receiving_from_a_closed_socket_ends(self, kit: Kit) -> None:
        """A subscription whose socket was closed ends with ``EndOfSubscription``, whatever was waiting in it."""
        topic = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, topic) as subscription:
            await kit.publish(socket, topic, b"0", b"1")
            await kit.take(subscription)
        with pytest.raises(EndOfSubscription), anyio.fail_after(kit.patience):
            await subscription.receive_batch(10)

    @scenario()
    async def test_bad_topics_are_refused_before_anything_is_sent(self, kit: Kit) -> None:
        """Publishing to a text that is no topic raises ``TopicError``, and the transport never hears of it."""
        provider = StandIn(kit.provider)
        async with kit.spa_socket(provider) as socket:
            for topic in BAD_TOPICS:
                with pytest.raises(TopicError) as caught:
                    await socket.publish(topic, b"body")
                assert caught.value.topic == topic
            with pytest.raises(TopicError):
                await socket.publish_many([SpaMessage(topic=kit.topic()), SpaMessage(topic="a/#")])
        assert provider.published == []

    @scenario()
    async def test_bad_filters_are_refused_before_anything_is_sent(self, kit: Kit) -> None:
        """Subscribing to a text that is no filter raises ``TopicError``, and the transport never hears of it."""
        provider = StandIn(kit.provider)
        async with kit.spa_socket(provider) as socket:
            for topic in BAD_FILTERS:
                with pytest.raises(TopicError) as caught:
                    await socket.subscribe([kit.topic(), topic], group=kit.own_group())
                assert caught.value.topic == topic
        assert provider.subscriptions == []

    @scenario()
    async def test_the_programs_own_errors_come_out_unchanged(self, kit: Kit) -> None:
        """An error raised while a socket is open comes out as the very same object, in no group and without a cause."""
        for opened in (kit.socket, kit.spa_socket):
            failure = LookupError("the program's own")
            with pytest.raises(LookupError) as caught:
                async with opened():
                    raise failure
            assert caught.value is failure
            assert (failure.__cause__, failure.__context__) == (None, None)

    @scenario(hook="make_unreachable_provider")
    async def test_a_broker_that_is_not_there(self, kit: Kit) -> None:
        """Opening where nothing listens raises ``ConnectError`` in time, with the driver's error as its cause."""
        provider = self.make_unreachable_provider()
        before = Resources.now()
        with pytest.raises(ConnectError) as caught:
            async with kit.socket(provider):
                raise AssertionError("a socket was opened where nothing listens")
        await kit.nothing_left_since(before)
        error = caught.value
        assert error.__cause__ is not None
        assert not isinstance(error.__cause__, SpaError)
        assert error.retriable

    @scenario(hook="make_unreachable_provider")
    async def test_a_broker_that_is_not_there_under_core(self, kit: Kit) -> None:
        """Core's socket raises the transport's ``ConnectError`` as it is, and is as unopened as before."""
        socket: SpaSocket = self.make_unreachable_provider().create_socket()
        with pytest.raises(ConnectError):
            async with kit.in_time(socket):
                raise AssertionError("a socket was opened where nothing listens")
        with pytest.raises(SocketClosedError):
            await socket.publish(kit.topic(), b"")
        assert not socket.connected

    @scenario(hook="make_refused_provider")
    async def test_refused_credentials(self, kit: Kit) -> None:
        """Credentials that the broker refuses raise ``AuthenticationError`` in time: trying again is no use."""
        provider = self.make_refused_provider()
        before = Resources.now()
        with pytest.raises(AuthenticationError) as caught:
            async with kit.socket(provider):
                raise AssertionError("a socket was opened with credentials that the broker refuses")
        await kit.nothing_left_since(before)
        error = caught.value
        # The refusal may be the broker's word, for which its client has no error of its own.
        assert not isinstance(error.__cause__, SpaError)
        assert not error.retriable
        assert [event for event in kit.events if event.state == "connected"] == []


async def _assert_closed(calls: list[Callable[[], Awaitable[object]]]) -> None:
    for call in calls:
        with pytest.raises(SocketClosedError) as caught:
            await call()
        assert caught.value.hint
