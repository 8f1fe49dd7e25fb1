"""
Requests that wait for their replies: the pure table of them, and the one subscription that feeds it.

The reply address itself carries the correlation. So a responder only has to publish to ``message.response_topic``, as
the origin's programs do; it need not know of correlation ids at all.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import anyio

from spa_core.errors import (
    DisconnectedError,
    EndOfSubscription,
    NoRespondersError,
    RemoteError,
    RequestTimeoutError,
    SocketClosedError,
)
from spa_core.transport import ACK, SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from spa_core._messaging.feeds import Feeds
    from spa_core.message import SpaMessage
    from spa_core.transport import Subscription

ERROR_HEADER = "spa-error"
"""Marks a reply as an error: its value is the remote error's class name, its payload what the error said."""


class PendingRequests:
    """
    The table of open requests of one socket: pure bookkeeping, no I/O.

    Attributes:
        filter: The one subscription that catches every reply.
        late: Replies that came when nobody waited any more, or that nobody asked for; counted and dropped.
    """

    def __init__(self, prefix: str) -> None:
        # A nonce for each socket: replies to an earlier life of this process can never be taken for ours.
        self._prefix = f"{prefix}/{os.urandom(8).hex()}"
        self._numbers = itertools.count(1)
        self._waiting: dict[str, Callable[[SpaMessage | None], None]] = {}
        self.filter = f"{self._prefix}/+"
        self.late = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self, on_reply: Callable[[SpaMessage | None], None]) -> str:
        """
        Register a request and return the address its reply is to be sent to.

        Args:
            on_reply: Called once, with the reply, or with ``None`` when no reply can come any more.
        """
        address = f"{self._prefix}/{next(self._numbers)}"
        self._waiting[address] = on_reply
        return address

    def close(self, address: str) -> None:
        """Forget a request, answered or not."""
        self._waiting.pop(address, None)

    def abandon(self) -> None:
        """Tell every request that no reply can come any more."""
        waiting, self._waiting = self._waiting, {}
        for on_reply in waiting.values():
            on_reply(None)

    def resolve(self, reply: SpaMessage) -> None:
        """Hand a reply to its request; the first reply wins, a late one is counted."""
        on_reply = self._waiting.pop(reply.topic, None)
        if on_reply is None:
            self.late += 1
        else:
            on_reply(reply)


class Requests:
    """
    Requests of one socket: the pending table, and one long-lived reply subscription made with the first request.

    Attributes:
        pending: The table of open requests.
    """

    def __init__(
        self, prefix: str, feeds: Feeds, tasks: TaskGroup, *, prefetch: int, check: Callable[[SubscriptionSpec], None]
    ) -> None:
        self.pending = PendingRequests(prefix)
        self._feeds = feeds
        self._tasks = tasks
        self._prefetch = prefetch
        self._check = check
        self._starting = anyio.Lock()
        self._live = anyio.Event()

    async def exchange(
        self, message: SpaMessage, send: Callable[[SpaMessage], Awaitable[bool | None]], seconds: float
    ) -> SpaMessage:
        """
        Send a request and return its reply.

        Raises:
            RequestTimeoutError: No reply within *seconds*.
            NoRespondersError: *send* knows that nobody listens.
            RemoteError: The reply is marked as an error.
            CapabilityError: The transport does not declare replies.
            SocketClosedError: The socket was closed meanwhile.
        """
        reply = await self._answer(message, send, seconds)
        if reply is None:
            text = f"no reply from {message.topic!r} within {seconds:g} s"
            raise RequestTimeoutError(text, topic=message.topic, timeout=seconds)
        _raise_remote_error(message.topic, reply)
        return reply

    async def _answer(
        self, message: SpaMessage, send: Callable[[SpaMessage], Awaitable[bool | None]], seconds: float
    ) -> SpaMessage | None:
        answered = anyio.Event()
        replies: list[SpaMessage | None] = []

        def on_reply(reply: SpaMessage | None) -> None:
            replies.append(reply)
            answered.set()

        address = self.pending.open(on_reply)
        correlation = message.correlation_id or address.rpartition("/")[2]
        try:
            with anyio.move_on_after(seconds):
                await self._listen()
                if await send(message.replace(response_topic=address, correlation_id=correlation)) is False:
                    raise NoRespondersError(f"nobody listens on {message.topic!r}", topic=message.topic)
                await answered.wait()
        finally:
            self.pending.close(address)
        if None in replies:
            raise SocketClosedError(f"the socket was closed while a request to {message.topic!r} waited for its reply")
        return replies[0] if replies else None

    async def _listen(self) -> None:
        if self._live.is_set():
            return
        async with self._starting:
            if self._live.is_set():
                return  # another request was first
            spec = SubscriptionSpec(topics=(self.pending.filter,), reply=True, prefetch=self._prefetch)
            self._check(spec)
            feed = await self._feeds.host(spec)
            self._tasks.start_soon(self._read, feed.subscription)
            self._live.set()

    async def _read(self, subscription: Subscription) -> None:
        try:
            while True:
                for delivery in await subscription.receive_batch(self._prefetch):
                    self.pending.resolve(delivery.message)
                    await delivery.settle(ACK)
        except EndOfSubscription:
            message = f"the subscription to replies on {self.pending.filter} ended unexpectedly"
            raise DisconnectedError(message) from None


def _raise_remote_error(request_topic: str, reply: SpaMessage) -> None:
    error_type = reply.headers.get(ERROR_HEADER)
    if error_type is not None:
        text = reply.payload.decode(errors="replace")
        raise RemoteError(
            f"the responder on {request_topic!r} failed with {error_type}: {text}",
            topic=request_topic,
            error_type=error_type,
            text=text,
        )
