"""Transports that keep what they should let go, or take what they cannot hold."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.errors import QueueFullError
from spa_core.transport import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from spa_core import SpaMessage
    from spa_core.transport import Delivery, Outcome, SubscriptionSpec


@caught_by("test_handled_messages_are_forgotten")
class RemembersIds(Mutant):
    """The id of every message ever handled is kept."""

    def prepare(self) -> None:
        self.ids: list[object] = []

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            self.subscription.socket.mutant.ids.append(self.message.message_id)
            return await super().settle(outcome)


@caught_by("test_five_hundred_subscriptions_grow_nothing")
class RemembersSubscriptions(Mutant):
    """Subscriptions that were left are kept."""

    def prepare(self) -> None:
        self.ever: list[object] = []

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            async with super().subscribe(spec) as subscription:
                self.mutant.ever.append(subscription)
                yield subscription


@caught_by("test_a_publisher_meets_the_bound")
class DropsWhatDoesNotFit(Mutant):
    """A message for which there is no room is accepted and dropped."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            try:
                return await super().publish(message)
            except QueueFullError:
                return False

    def prepare(self) -> None:
        if self.config.overflow != "error":
            vars(self).update(config=self.overwrite_config(overflow="error").config)


@caught_by("test_every_settlement_makes_room")
class CountsRetriesAsInHand(Mutant):
    """A message that was retried keeps its place among those in hand for ever."""

    class Subscription(base.Subscription):
        def prepare(self) -> None:
            self.lost = 0

        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            if self.lost >= self.spec.prefetch:
                await anyio.sleep_forever()
            return await super().receive_batch(max_messages)

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            self.subscription.lost += isinstance(outcome, Retry)
            return await super().settle(outcome)
