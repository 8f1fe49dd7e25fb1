"""Everything a socket has while it is open, opened and closed in one order."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from spa_core._messaging.feeds import Feeds
from spa_core._messaging.requests import Requests
from spa_core.transport import check_subscription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import TaskGroup

    from spa_core._messaging.provider import SocketProvider
    from spa_core.transport import ConnectionListener, TransportSocket


class Link(NamedTuple):
    """
    An open connection and what runs over it.

    Attributes:
        transport: The transport's socket.
        feeds: The subscriptions.
        requests: The pending requests.
        tasks: Where readers and pumps run; cancelled first when the link closes.
    """

    transport: TransportSocket
    feeds: Feeds
    requests: Requests
    tasks: TaskGroup


@asynccontextmanager
async def linked(provider: SocketProvider[Any], on_connection: ConnectionListener) -> AsyncGenerator[Link]:
    """Connect, and close in good order: nobody reads any more when the subscriptions are left."""
    async with (
        provider.open(on_connection) as transport,
        Feeds(transport, provider.envelope) as feeds,
        anyio.create_task_group() as tasks,
    ):
        check = partial(check_subscription, provider.capabilities, transport=provider.describe())
        requests = Requests(provider.reply_prefix, feeds, tasks, prefetch=provider.config.prefetch, check=check)
        try:
            yield Link(transport, feeds, requests, tasks)
        finally:
            requests.pending.abandon()
            tasks.cancel_scope.cancel()
