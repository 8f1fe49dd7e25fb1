"""
The replies to a socket's requests: subscriptions on the socket's own connection, acknowledged as they come.

A reply is of use to one request in one process, so there is nothing to redeliver.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import anyio

from spa_core.errors import DisconnectedError, SpaError
from spa_core.topics import TopicTrie
from spa_core.transport import BoundedInbox, SettleOnce
from spa_mqtt.connecting import Filter
from spa_mqtt.failures import REFUSAL, subscribe_refused
from spa_mqtt.wire import from_wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.transport import Outcome, SubscriptionSpec
    from spa_mqtt.client import Connection
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.link import Link
    from spa_mqtt.packets import Incoming

__all__ = ["Replies", "ReplySubscription"]

_BOUND: Final = 10_000
"""Replies that wait; whoever asks reads them at once."""

_FAREWELL: Final = 1.0
"""Seconds that an UNSUBSCRIBE is given."""


class ReplyDelivery(SettleOnce):
    """A reply, acknowledged before it was handed out."""

    __slots__ = ("_subscription",)

    def __init__(self, subscription: ReplySubscription, incoming: Incoming) -> None:
        super().__init__(from_wire(incoming), attempt=1, redelivered=False, native=incoming)
        self._subscription = subscription

    async def apply(self, outcome: Outcome) -> bool:  # noqa: ARG002 - a reply is done with, however it ends
        """Say whether the subscription is still there."""
        return not self._subscription.is_left


class ReplySubscription:
    """
    A live subscription to replies; see :class:`~spa_core.transport.Subscription` for the contract.

    Attributes:
        filters: What it subscribes to.
        is_left: Whether it was left.
    """

    def __init__(self, spec: SubscriptionSpec) -> None:
        self.filters = spec.topics
        self.is_left = False
        self._inbox = BoundedInbox["Incoming"](_BOUND, overflow="drop_new")

    def put(self, incoming: Incoming) -> None:
        """Take a reply in."""
        self._inbox.put(incoming)

    async def receive_batch(self, max_messages: int) -> Sequence[ReplyDelivery]:
        """
        Wait until at least one reply is there and return up to *max_messages*, in order.

        Raises:
            EndOfSubscription: Fetching was stopped, or the subscription or its socket was closed.
        """
        return [ReplyDelivery(self, incoming) for incoming in await self._inbox.receive_batch(max_messages)]

    async def stop_fetching(self) -> None:
        """Hand out nothing more and wake a waiting :meth:`receive_batch`."""
        self._inbox.stop()


class Replies:
    """
    The reply subscriptions of one socket.

    Args:
        config: Deadlines.
        link: Whose connections they are on.
    """

    def __init__(self, config: MqttConfig, link: Link) -> None:
        self._config = config
        self._link = link
        self._routes = TopicTrie[ReplySubscription]()
        self._subscriptions: set[ReplySubscription] = set()
        self._unacknowledged: list[tuple[int, int]] = []
        self._connection: Connection | None = None

    async def add(self, subscription: ReplySubscription) -> None:
        """
        Subscribe now and on every connection to come.

        Raises:
            DisconnectedError: No answer within the ``connect_timeout``.
            SubscribeError: The broker refused.
        """
        self._subscriptions.add(subscription)
        for each in subscription.filters:
            self._routes.add(each, subscription)
        patience = self._config.connect_timeout
        with anyio.move_on_after(patience):
            while True:
                connection = await self._link.until_up()
                try:
                    return await _subscribe(connection, subscription.filters)
                except DisconnectedError:
                    await asyncio.sleep(0)  # the link hears of it in this turn of the event loop
        raise DisconnectedError(f"no subscription to replies: {self._link.where} did not answer within {patience:g} s")

    async def remove(self, subscription: ReplySubscription) -> None:
        """Unsubscribe, as well as it goes; shielded from cancellation."""
        subscription.is_left = True
        await subscription.stop_fetching()
        self._subscriptions.discard(subscription)
        for each in subscription.filters:
            self._routes.remove(each, subscription)
        connection = self._link.connection
        if connection is not None:
            with anyio.move_on_after(_FAREWELL, shield=True):
                try:
                    await connection.unsubscribe(subscription.filters)
                except SpaError:
                    return  # without a connection there is nothing to end

    async def restore(self, connection: Connection) -> None:
        """Subscribe again on a new connection."""
        self._connection = connection
        self._unacknowledged.clear()
        filters = sorted({each for subscription in self._subscriptions for each in subscription.filters})
        if filters:
            await _subscribe(connection, tuple(filters))

    def lost(self) -> None:
        """Forget what is not acknowledged: the broker sends it again."""
        self._connection = None
        self._unacknowledged.clear()

    def on_message(self, incoming: Incoming) -> None:
        """Hand a reply to whoever waits for it; one that nobody waits for is done with."""
        for subscription in self._routes.match(incoming.topic):
            subscription.put(incoming)
        if incoming.qos:
            if not self._unacknowledged:
                asyncio.get_running_loop().call_soon(self._acknowledge)
            self._unacknowledged.append((incoming.mid, incoming.qos))

    def _acknowledge(self) -> None:
        if self._connection is not None and self._unacknowledged:
            self._connection.acknowledge(self._unacknowledged)
            self._unacknowledged = []


async def _subscribe(connection: Connection, filters: tuple[str, ...]) -> None:
    asked = [Filter(text=each, qos=1, retain_handling=2) for each in filters]
    for each, code in zip(asked, await connection.subscribe(asked), strict=True):
        if code >= REFUSAL:
            raise subscribe_refused(filters, each.text, code)
