"""What the tests of the in-memory transport share: a clock set by hand, queues, sockets on a broker of their own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from spa_inmemory import MemoryConfig, MemorySocket, MemorySocketProvider
from spa_inmemory.queues import MessageQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.transport import ConnectionEvent

_numbers = itertools.count(1)


@pytest.fixture
def clock() -> Mock:
    """A clock that shows its `return_value`."""
    return Mock(return_value=1000.0)


@pytest.fixture
def make_queue(clock: Mock) -> Callable[..., MessageQueue]:
    """Makes queues on the clock."""

    def make(name: str = "the queue", *, limit: int = 1000) -> MessageQueue:
        return MessageQueue(name, limit=limit, clock=clock)

    return make


@pytest.fixture
def queue(make_queue: Callable[..., MessageQueue]) -> MessageQueue:
    """A queue with room for a thousand messages."""
    return make_queue()


@pytest.fixture
def broker_name() -> str:
    """A broker that no other test uses."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def events() -> list[ConnectionEvent]:
    """What the sockets of the test said about their connection."""
    return []


@pytest.fixture
def make_socket(broker_name: str, events: list[ConnectionEvent]) -> Callable[..., MemorySocket]:
    """Makes sockets on the test's broker; arguments are fields of the configuration."""

    def make(**config: Any) -> MemorySocket:
        return MemorySocketProvider(MemoryConfig(**{"name": broker_name, **config})).open(events.append)

    return make
