"""A transport whose broker cannot store every topic that SPA knows is not failed for that."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from spa_core.errors import TopicError
from spa_core.testing.runner import run_scenario
from spa_core.testing.suite import TransportSuite
from spa_core.testing.wrapping import WrappedProvider, WrappedSocket
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from spa_core import SocketProvider
    from spa_core.transport import ConnectionListener, Subscription, SubscriptionSpec, TransportSocket


class PlainSocket(WrappedSocket):
    """Refuses to subscribe to what begins with a dollar sign."""

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Subscription]:
        """Subscribe, unless it is refused."""
        for topic in spec.topics:
            if topic.startswith("$"):
                raise TopicError("no topic here begins so", topic=topic, reason="it begins with '$'")
        async with self.transport.subscribe(spec) as subscription:
            yield subscription


class PlainProvider(WrappedProvider):
    """Has no topics that begin with a dollar sign."""

    def open(self, on_connection: ConnectionListener) -> TransportSocket:
        """Make a socket."""
        return PlainSocket(self.wrapped.open(on_connection))


class Suite(TransportSuite):
    """The suite for it."""

    __test__ = False

    def make_provider(self) -> SocketProvider[Any]:
        """Make a provider."""
        return PlainProvider(MemorySocketProvider(MemoryConfig(name="plain")))


def test_topics_that_cannot_be_subscribed_to() -> None:
    """The scenario about topics that begin with ``$`` is skipped where a subscription to them is refused."""
    with pytest.raises(pytest.skip.Exception, match="no such topics"):
        run_scenario(Suite(), "test_dollar_topics_are_hidden_from_leading_wildcards")
