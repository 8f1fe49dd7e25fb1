"""
One subscription over a connection of its own: what comes waits here, bounded, until it is pulled and settled.

A connection of its own, because acknowledgements go in order and windows belong to connections: on a shared one the
messages that a slow subscription has not settled would hold up every other.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from spa_core.errors import EndOfSubscription
from spa_core.transport import Retry
from spa_mqtt import properties
from spa_mqtt.arrivals import Arrivals, Item
from spa_mqtt.connecting import Filter
from spa_mqtt.failures import REFUSAL, subscribe_refused
from spa_mqtt.inflight import Inflight, Receipt
from spa_mqtt.link import Link
from spa_mqtt.packets import MalformedPacketError
from spa_mqtt.routes import Routes
from spa_mqtt.sessions import claim_subscription, release
from spa_mqtt.wire import from_wire, time_to_live

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from spa_core.transport import Outcome, SubscriptionSpec
    from spa_mqtt.client import Connection
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.connecting import Connack
    from spa_mqtt.packets import Incoming

__all__ = ["MqttDelivery", "MqttSubscription"]

logger = logging.getLogger("spa_mqtt.subscription")


class MqttDelivery:
    """A message handed out; see :class:`~spa_core.transport.Delivery` for the contract."""

    __slots__ = ("_is_settled", "_item", "_subscription", "attempt", "message", "native", "redelivered")

    def __init__(self, subscription: MqttSubscription, item: Item) -> None:
        self.message = from_wire(item.incoming)
        self.attempt = item.attempt
        self.redelivered = item.attempt > 1
        self.native = item.incoming
        self._subscription = subscription
        self._item = item
        self._is_settled = False

    async def settle(self, outcome: Outcome) -> bool:
        """
        Settle the message; the first call wins.

        ``Retry`` gives it back to this subscription, which hands it out again when its delay is over; MQTT has no way
        to give it back to the broker. Until it is acknowledged in the end, what was received behind it is not
        acknowledged either.

        Returns:
            Whether this call took effect: ``False`` after the connection that the message came on has ended.
        """
        if self._is_settled:
            return False
        self._is_settled = True
        return self._subscription.settle(self._item, outcome)


class MqttSubscription:
    """
    A live subscription; see :class:`~spa_core.transport.Subscription` for the contract.

    Args:
        config: The way to the broker.
        spec: What to subscribe to.
        tls: What to encrypt with.
        on_change: Told of its connection, as :class:`~spa_mqtt.link.Link` says.

    Attributes:
        dropped: Messages of level 0 that were dropped because there were too many.
        expired: Messages whose time to live had ended when it was their turn.
    """

    def __init__(
        self,
        config: MqttConfig,
        spec: SubscriptionSpec,
        *,
        tls: ssl.SSLContext | None,
        on_change: Callable[[Link, str | None], None],
    ) -> None:
        self.dropped = 0
        self.expired = 0
        self._config = config
        self._spec = spec
        self._loop = asyncio.get_running_loop()
        self._routes = Routes(spec.topics)
        self._session = claim_subscription(config, spec)
        self._inflight = Inflight()
        self._arrivals = Arrivals(spec.prefetch)
        self._limbo: list[Item] = []
        self._numbers = itertools.count()
        self._connection: Connection | None = None
        self._is_subscribed = False
        self._is_stopped = False
        self._is_acknowledging = False
        self._is_paused = False
        self._last_id: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._roused = asyncio.Event()
        self.link = Link(
            config,
            self,
            client_id=self._session.name,
            tls=tls,
            session_expiry=config.session_seconds,
            receive_maximum=min(spec.prefetch, 65_535),
            on_change=lambda reason: on_change(self.link, reason),
            is_kept=self._session.is_kept,
            clean_start=config.clean_start,
        )

    # -- the contract --------------------------------------------------------------------------------------------------

    async def receive_batch(self, max_messages: int) -> Sequence[MqttDelivery]:
        """
        Wait until at least one message is there and return up to *max_messages*, in order.

        Raises:
            EndOfSubscription: Fetching was stopped, or the subscription or its socket was closed.
        """
        await checkpoint()
        while not self._is_stopped:
            taken, expired = self._arrivals.take(max_messages, self._loop.time())
            if expired:
                self._drop_expired(expired)
            if taken:
                self._resume_if_room()
                return [self._hand_out(item) for item in taken]
            self._set_timer()
            self._roused.clear()
            await self._roused.wait()
        raise EndOfSubscription

    async def stop_fetching(self) -> None:
        """
        Hand out nothing more and wake a waiting :meth:`receive_batch`; settling goes on.

        What is given back from now on stays with the broker's session.
        """
        self._is_stopped = True
        self._roused.set()

    async def open(self) -> None:
        """
        Connect and subscribe.

        Raises:
            ConnectError: Not connected in time.
            SubscribeError: The broker refused.
        """
        try:
            await self.link.open()
        except BaseException:
            self._leave_session()
            raise

    async def close(self) -> None:
        """Leave: nothing can be settled any more. A group's session is kept where the configuration says so."""
        await self.stop_fetching()
        self._acknowledge()
        self._inflight.connection_lost()
        try:
            await self.link.close(forget=not self._session.is_kept)
        finally:
            self._leave_session()

    def settle(self, item: Item, outcome: Outcome) -> bool:
        """Note how a delivery ended; ``False`` if its connection has ended."""
        if item.generation != self._inflight.generation:
            return False
        self._arrivals.in_hand -= 1
        if not isinstance(outcome, Retry):
            self._inflight.done(item)
            self._acknowledge_soon()
        elif not self._is_stopped:
            item.attempt += 1
            self._arrivals.put_again(item, self._loop.time() + outcome.delay if outcome.delay > 0 else None)
        self._roused.set()
        return True

    # -- what its link asks --------------------------------------------------------------------------------------------

    async def restore(self, connection: Connection, connack: Connack) -> None:
        """Subscribe, unless the session is known to remember."""
        self._connection = connection
        self._is_paused = False
        self._sort_out_limbo(resumed=connack.session_present)
        if not connack.session_present:
            self._session.begins_anew()
        remembers = connack.session_present and self._is_subscribed and not self.link.is_v5
        if not remembers or self._spec.group is not None:  # Mosquitto 2.0 forgets shared subscriptions under 3.1.1
            await self._subscribe(connection, connack)
        self._acknowledge_soon()

    def lost(self) -> None:
        """Make what is in hand void, and keep apart what is not, until it is known whether the broker sends it again."""
        self._connection = None
        self._inflight.connection_lost()
        self._limbo += self._arrivals.clear()
        self._roused.set()

    def on_message(self, incoming: Incoming) -> None:
        """Take a message in, unless it is a further copy of one."""
        attempt = self._session.attempt(incoming.mid, dup=incoming.dup) if incoming.qos else 1
        if not self._counts(incoming):
            self._finish(Receipt(incoming.mid, incoming.qos))
            return
        if incoming.qos and self._config.ack == "on_receive":
            self._finish(Receipt(incoming.mid, incoming.qos))
            incoming = incoming._replace(qos=0)
        elif not incoming.qos and not self._has_room():
            return
        seconds = time_to_live(incoming)
        expires = None if seconds is None else self._loop.time() + seconds
        item = Item(incoming, next(self._numbers), attempt, expires)
        self._inflight.received(item)
        self._arrivals.put(item)
        self._roused.set()
        self._pause_if_full()

    def on_confirmed(self, mid: int, code: int) -> None:
        """Nothing is published here."""

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _subscribe(self, connection: Connection, connack: Connack) -> None:
        prefix = "" if self._spec.group is None else f"$share/{self._spec.group}/"
        greeting = 2 if prefix else int(connack.session_present)
        has_identifiers = connack.identifiers and not self._routes.is_single
        asked = [
            Filter(
                text=prefix + each,
                qos=min(self._config.qos, connack.maximum_qos),
                retain_handling=greeting,
                identifier=place if has_identifiers else None,
            )
            for place, each in enumerate(self._routes.filters, start=1)
        ]
        for each, code in zip(asked, await connection.subscribe(asked), strict=True):
            if code >= REFUSAL:
                raise subscribe_refused(self._spec.topics, each.text, code)
        self._is_subscribed = True

    def _hand_out(self, item: Item) -> MqttDelivery:
        if item.qos:
            self._session.handed_out(item.mid, item.attempt)
        return MqttDelivery(self, item)

    def _drop_expired(self, expired: list[Item]) -> None:
        self.expired += len(expired)
        for item in expired:
            self._inflight.done(item)
        self._acknowledge_soon()

    def _finish(self, receipt: Receipt) -> None:
        self._inflight.received(receipt)
        self._inflight.done(receipt)
        self._acknowledge_soon()

    def _acknowledge_soon(self) -> None:
        # Once a turn of the event loop, so that what is settled together is acknowledged together.
        if not self._is_acknowledging:
            self._is_acknowledging = True
            self._loop.call_soon(self._acknowledge)

    def _acknowledge(self) -> None:
        self._is_acknowledging = False
        if self._connection is not None and (ready := self._inflight.acknowledgeable()):
            self._connection.acknowledge(ready)

    def _sort_out_limbo(self, *, resumed: bool) -> None:
        """Keep what the broker will not send again: it has forgotten the session, or expects no answer for it."""
        limbo, self._limbo = self._limbo, []
        for item in limbo:
            if item.qos == 0 or not resumed:
                item.qos = 0
                self._inflight.received(item)
                self._arrivals.put(item)
        self._roused.set()

    def _counts(self, incoming: Incoming) -> bool:
        if self._routes.is_single:
            return True
        try:
            identifiers = properties.identifiers(incoming.properties)
        except MalformedPacketError:
            return True
        if identifiers or not self._routes.overlap(incoming.topic):
            return self._routes.counts(incoming.topic, identifiers)
        # Copies come one behind the other. Only a message's own id can tell a copy from an equal message.
        last, self._last_id = self._last_id, from_wire(incoming).message_id
        return self._last_id is None or self._last_id != last

    def _has_room(self) -> bool:
        if self._config.overflow == "pause" or len(self._arrivals) < self._arrivals.bound:
            return True
        if not self.dropped:
            logger.warning("more messages on %s than are handled; they are dropped", ", ".join(self._spec.topics))
        self.dropped += 1
        return self._config.overflow == "drop_oldest" and self._arrivals.drop_oldest_of_level_0()

    def _pause_if_full(self) -> None:
        if not self._is_paused and len(self._arrivals) >= self._arrivals.bound and self._connection is not None:
            self._is_paused = True
            self._connection.pause()

    def _resume_if_room(self) -> None:
        if self._is_paused and len(self._arrivals) <= self._arrivals.bound // 2 and self._connection is not None:
            self._is_paused = False
            self._connection.resume()

    def _set_timer(self) -> None:
        """Have whoever is about to wait roused when the next delayed message is due."""
        if self._timer is not None:
            self._timer.cancel()
        due = self._arrivals.next_due
        self._timer = None if due is None else self._loop.call_at(due, self._roused.set)

    def _leave_session(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        release(self._session)
