"""
Where a subscription's messages come from: one session at the broker, over a link of its own.

A connection of its own, because acknowledgements go in order and windows belong to connections: on a shared one the
messages that a slow subscription has not settled would hold up every other.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from spa_core.errors import DisconnectedError, SpaError
from spa_mqtt.arrivals import Item
from spa_mqtt.asking import asked_for, subscribe
from spa_mqtt.copies import Copies
from spa_mqtt.inflight import Inflight, Receipt
from spa_mqtt.link import Link
from spa_mqtt.routes import Routes
from spa_mqtt.sessions import claim_subscription, release, session_seconds
from spa_mqtt.window import Window
from spa_mqtt.wire import time_to_live

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from spa_core.transport import SubscriptionSpec
    from spa_mqtt.client import Connection
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.connecting import Connack
    from spa_mqtt.packets import Incoming

__all__ = ["Reader", "Source"]

_PATIENCE: Final = 2.0
"""Seconds that the broker is given to confirm an UNSUBSCRIBE before a session is handed over."""

_numbers: Final = itertools.count(1)


class Reader(Protocol):
    """Who takes what a source gives."""

    @property
    def is_fetching(self) -> bool:
        """Whether it hands out messages, and can take over those of another one."""
        ...

    def arrived(self, item: Item) -> None:
        """A message came; or one that is known came to be given out again."""

    def let_go(self, source: Source) -> tuple[list[Item], list[Item]]:
        """Give everything of a source back: return what waits and what is in hand, in the order of receipt."""
        ...


class Source:
    """
    One session's messages, for one reader.

    Args:
        config: The way to the broker.
        spec: What to subscribe to.
        reader: Who takes the messages.
        tls: What to encrypt with.
        on_change: Told of the connection, as :class:`~spa_mqtt.link.Link` says.

    Attributes:
        link: Its connection.
        reader: As above; changed by `hand_over`.
        is_draining: Whether it was handed over: nothing new comes, and it ends with its last message.
    """

    def __init__(
        self,
        config: MqttConfig,
        spec: SubscriptionSpec,
        reader: Reader,
        *,
        tls: ssl.SSLContext | None,
        on_change: Callable[[Link, str | None], None],
    ) -> None:
        self.reader = reader
        self.is_draining = False
        self._is_unassigned = False
        self._window = Window(spec)
        self._number = 0
        self._tell = on_change
        self._config = config
        self._spec = spec
        self._loop = asyncio.get_running_loop()
        self._routes = Routes(spec.topics)
        self._copies = Copies(self._routes)
        self._session = claim_subscription(config, spec)
        self._session.remember(spec.prefetch)
        self._inflight = Inflight()
        self._limbo: list[Item] = []
        self._connection: Connection | None = None
        self._connack: Connack | None = None
        self._is_subscribed = False
        self._is_acknowledging = False
        self._is_paused = False
        self.link = Link(
            config,
            self,
            client_id=self._session.name,
            tls=tls,
            session_expiry=session_seconds(config, spec),
            receive_maximum=min(spec.prefetch, 65_535),
            on_change=self._on_change,
            is_kept=self._session.is_kept,
            clean_start=config.clean_start,
        )

    # -- its life ------------------------------------------------------------------------------------------------------

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
            release(self._session)
            raise

    @property
    def loses_unfinished(self) -> bool:
        """Whether the broker forgets, when this source is closed, what it has sent and nobody has finished."""
        return self._spec.group is not None and not self._session.is_kept

    async def unassign(self) -> None:
        """Have the broker give this member nothing new; what it was given before may still come."""
        self._is_unassigned = True
        try:
            with anyio.move_on_after(_PATIENCE):
                await self.link.up().unsubscribe(asked_for(self._spec, self._routes.filters))
        except DisconnectedError:
            return  # it is done with the next connection

    async def is_exhausted(self) -> bool:
        """Return whether all is acknowledged, and the broker has nothing more that it had given to this member."""
        self._acknowledge()
        if len(self._inflight):
            return False
        number = self._number
        try:
            await (await self.link.until_up()).ping()
        except DisconnectedError:
            return False
        return number == self._number and not self._limbo

    async def close(self) -> None:
        """Acknowledge what is finished and disconnect; a session that is kept keeps what is not."""
        self._acknowledge()
        is_finished = self.is_finished
        self._inflight.connection_lost()
        try:
            is_kept = self._session.is_kept and not is_finished
            await self.link.close(forget=not is_kept)
        finally:
            self.link.peers.present(self)
            release(self._session)

    async def hand_over(self, heir: Reader) -> bool:
        """
        Give everything that is not finished to another reader, and get nothing new.

        Returns:
            Whether that was possible: ``False`` without a connection, and if the heir leaves meanwhile.
        """
        connection, connack = self._connection, self._connack
        if connection is None or connack is None:
            return False
        try:
            with anyio.fail_after(_PATIENCE):
                if not self.is_draining:
                    await connection.unsubscribe(asked_for(self._spec, self._routes.filters))
                    if not heir.is_fetching:  # it leaves, too; so this session keeps what is published for the group
                        await self._subscribe(connection, connack)
        except (SpaError, TimeoutError):
            return False
        if not heir.is_fetching:
            return False
        self.is_draining = True
        waiting, in_hand = self.reader.let_go(self)
        for item in in_hand:
            item.attempt += 1
        self.reader = heir
        for item in sorted(waiting + in_hand, key=lambda each: each.number):
            heir.arrived(item)
        return True

    @property
    def is_finished(self) -> bool:
        """Whether it was handed over, and all is acknowledged."""
        return self.is_draining and not len(self._inflight) and not self._limbo

    # -- what its reader says ------------------------------------------------------------------------------------------

    def is_valid(self, item: Item) -> bool:
        """Whether the connection that a message came on is still there."""
        return item.generation == self._inflight.generation

    def finish(self, receipt: Receipt) -> None:
        """Acknowledge a message, as soon as it is its turn."""
        self._inflight.done(receipt)
        if receipt.qos and isinstance(receipt, Item):
            self._session.finished(receipt.incoming)
        self._window.look_at(self._inflight, is_v5=self.link.is_v5, now=self._loop.time())
        self._acknowledge_soon()

    def handed_out(self, item: Item) -> None:
        """Note that a message is in hand."""
        if item.qos:
            self._session.handed_out(item.mid, item.attempt)

    def pause(self) -> None:
        """Stop reading."""
        if not self._is_paused and self._connection is not None:
            self._is_paused = True
            self._connection.pause()

    def resume(self) -> None:
        """Read again."""
        if self._is_paused and self._connection is not None:
            self._is_paused = False
            self._connection.resume()

    # -- what its link asks --------------------------------------------------------------------------------------------

    async def restore(self, connection: Connection, connack: Connack) -> None:
        """Subscribe, unless the session is known to remember."""
        self._connection, self._connack = connection, connack
        self._is_paused = False
        self._sort_out_limbo(resumed=connack.session_present)
        if not connack.session_present:
            self._session.begins_anew()
        remembers = connack.session_present and self._is_subscribed and not self.link.is_v5
        # Mosquitto 2.0 forgets shared subscriptions under 3.1.1.
        if self._is_unassigned:
            await connection.unsubscribe(asked_for(self._spec, self._routes.filters))
        elif not self.is_draining and (self._spec.group is not None or not remembers):
            await self._subscribe(connection, connack)
        self.link.peers.present(self)
        self._acknowledge_soon()

    def lost(self) -> None:
        """Make what is in hand void; keep apart what is not, until it is known whether the broker sends it again."""
        self._connection = None
        if self._is_subscribed:
            self.link.peers.missing(self)
        self._inflight.connection_lost()
        self._limbo += self.reader.let_go(self)[0]

    def on_message(self, incoming: Incoming) -> None:
        """Take a message in, unless it is a further copy of one, or one that was finished before."""
        attempt = self._session.attempt(incoming) if incoming.qos else 1
        if not attempt or not self._copies.counts(incoming):
            self._acknowledge_unread(incoming)
            return
        if incoming.qos and self._config.ack == "on_receive":
            self._acknowledge_unread(incoming)
            incoming = incoming._replace(qos=0)
        seconds = time_to_live(incoming)
        expires = None if seconds is None else self._loop.time() + seconds
        self._number = next(_numbers)
        item = Item(incoming, self, self._number, attempt, expires)
        self._inflight.received(item)
        self.reader.arrived(item)

    def on_confirmed(self, mid: int, code: int) -> None:
        """Nothing is published here."""

    def _on_change(self, reason: str | None) -> None:
        self._tell(self.link, reason)

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _subscribe(self, connection: Connection, connack: Connack) -> None:
        await subscribe(connection, connack, self._spec, self._routes.filters, qos=self._config.qos)
        self._is_subscribed = True

    def _acknowledge_unread(self, incoming: Incoming) -> None:
        receipt = Receipt(incoming.mid, incoming.qos)
        self._inflight.received(receipt)
        self.finish(receipt)

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
                self.reader.arrived(item)
