"""
The pulling side of a subscription: what came waits here, bounded, until it is handed out and settled.

Where it comes from is its sources' business: its own, and those that other members of its group left to it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from spa_core.errors import EndOfSubscription
from spa_core.transport import Retry
from spa_mqtt.arrivals import Arrivals
from spa_mqtt.source import Source
from spa_mqtt.wire import from_wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from spa_core.transport import Outcome, SubscriptionSpec
    from spa_mqtt.arrivals import Item
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.link import Link

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
        on_change: Told of its connections, as :class:`~spa_mqtt.link.Link` says.

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
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._arrivals = Arrivals(spec.prefetch)
        self._sources = [Source(config, spec, self, tls=tls, on_change=on_change)]
        self._endings: set[asyncio.Task[None]] = set()
        self._is_stopped = False
        self._hands_out_the_rest = False
        self._is_left = False
        self._timer: asyncio.TimerHandle | None = None
        self._roused = asyncio.Event()

    # -- the contract --------------------------------------------------------------------------------------------------

    async def receive_batch(self, max_messages: int) -> Sequence[MqttDelivery]:
        """
        Wait until at least one message is there and return up to *max_messages*, in order.

        Raises:
            EndOfSubscription: Fetching was stopped, or the subscription or its socket was closed.
        """
        await checkpoint()
        while not self._is_ended:
            taken, expired = self._arrivals.take(max_messages, self._loop.time())
            if expired:
                self._drop_expired(expired)
            if taken:
                self._resume_if_room()
                return [self._hand_out(item) for item in taken]
            if self._is_stopped and self._arrivals.is_empty:
                await self._end_if_exhausted()
                await checkpoint()
                continue
            self._set_timer()
            self._roused.clear()
            await self._roused.wait()
        raise EndOfSubscription

    async def stop_fetching(self) -> None:
        """
        Hand out nothing more and wake a waiting :meth:`receive_batch`; settling goes on.

        What is given back from now on stays with the broker's session. A member of a group whose session is not kept
        has none: it is given nothing new, but hands out what the broker has sent it or holds for it, which would
        be lost else.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        self._roused.set()
        if self._sources[0].loses_unfinished:
            self._hands_out_the_rest = True
            await self._sources[0].unassign()
            self._roused.set()

    # -- its life ------------------------------------------------------------------------------------------------------

    @property
    def group(self) -> tuple[str, frozenset[str]] | None:
        """What members of one group have in common; ``None`` without a group."""
        return None if self._spec.group is None else (self._spec.group, frozenset(self._spec.topics))

    @property
    def is_fetching(self) -> bool:
        """Whether it hands out messages, and can take over those of another member."""
        return not self._is_stopped

    async def open(self) -> None:
        """
        Connect and subscribe.

        Raises:
            ConnectError: Not connected in time.
            SubscribeError: The broker refused.
        """
        await self._sources[0].open()

    async def close(self, heir: MqttSubscription | None) -> None:
        """
        Leave: nothing can be settled any more.

        What is not finished goes to *heir*, a member of the same group; without one it stays with a session that is
        kept.
        """
        self._is_stopped = self._is_left = True
        self._roused.set()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(self._leave(source, heir) for source in self._sources), *self._endings)

    async def _leave(self, source: Source, heir: MqttSubscription | None) -> None:
        if heir is not None and await source.hand_over(heir):
            heir.adopt(source)
            return
        await source.close()
        self._on_change(source.link, None)

    def adopt(self, source: Source) -> None:
        """Take over what another member had; the source ends with its last message."""
        self._sources.append(source)
        self._end_if_finished(source)

    # -- what deliveries and sources say -------------------------------------------------------------------------------

    def settle(self, item: Item, outcome: Outcome) -> bool:
        """Note how a delivery ended; ``False`` if its connection has ended."""
        source = item.source
        if self._is_left or not source.is_valid(item):
            return False
        if not isinstance(outcome, Retry):
            self._arrivals.out_of_hand(item)
            source.finish(item)
            if source.is_draining:
                self._loop.call_soon(self._end_if_finished, source)
        elif self._is_stopped and not self._hands_out_the_rest:
            self._arrivals.out_of_hand(item)
        else:
            item.attempt += 1
            self._arrivals.put_again(item, self._loop.time() + outcome.delay if outcome.delay > 0 else None)
        self._roused.set()
        return True

    def arrived(self, item: Item) -> None:
        """Take a message in, unless it may be dropped and there is no room."""
        if not item.qos and not self._has_room():
            return
        self._arrivals.put(item)
        self._roused.set()
        if len(self._arrivals) >= self._arrivals.bound and (item.qos or self._config.overflow == "pause"):
            item.source.pause()

    def let_go(self, source: Source) -> tuple[list[Item], list[Item]]:
        """Let go of what came from a source, and return what waits and what is in hand."""
        self._roused.set()
        return self._arrivals.remove(source)

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _is_ended(self) -> bool:
        return self._is_left or (self._is_stopped and not self._hands_out_the_rest)

    async def _end_if_exhausted(self) -> None:
        if await self._sources[0].is_exhausted() and self._arrivals.is_empty:
            self._hands_out_the_rest = False
            self._roused.set()

    def _hand_out(self, item: Item) -> MqttDelivery:
        item.source.handed_out(item)
        return MqttDelivery(self, item)

    def _drop_expired(self, expired: list[Item]) -> None:
        self.expired += len(expired)
        for item in expired:
            item.source.finish(item)

    def _end_if_finished(self, source: Source) -> None:
        if source.is_finished and source in self._sources and not self._is_left:
            self._sources.remove(source)
            ending = asyncio.create_task(self._leave(source, None))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def _has_room(self) -> bool:
        if self._config.overflow == "pause" or len(self._arrivals) < self._arrivals.bound:
            return True
        if not self.dropped:
            logger.warning("more messages on %s than are handled; they are dropped", ", ".join(self._spec.topics))
        self.dropped += 1
        return self._config.overflow == "drop_oldest" and self._arrivals.drop_oldest_of_level_0()

    def _resume_if_room(self) -> None:
        if len(self._arrivals) <= self._arrivals.bound // 2:
            for source in self._sources:
                source.resume()

    def _set_timer(self) -> None:
        """Have whoever is about to wait roused when the next delayed message is due."""
        if self._timer is not None:
            self._timer.cancel()
        due = self._arrivals.next_due
        self._timer = None if due is None else self._loop.call_at(due, self._roused.set)
