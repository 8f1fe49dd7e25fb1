"""Transports that stop at the wrong time, or too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.errors import EndOfSubscription
from spa_core.transport import ACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.transport import Delivery, Outcome


@caught_by("test_nothing_is_handed_out_after_stop_fetching")
class HandsOutAfterStopping(Mutant):
    """Stopping is forgotten: what waits is handed out."""

    class Subscription(base.Subscription):
        async def stop_fetching(self) -> None:
            pass


@caught_by("test_stop_fetching_ends_whoever_waits")
class LeavesWaitersAsleep(Mutant):
    """Stopping concerns the next call, and whoever waits already waits on."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            try:
                return await super().receive_batch(max_messages)
            except EndOfSubscription:
                await anyio.sleep_forever()
                raise


@caught_by("test_stop_fetching_concerns_one_subscription")
class StopsAll(Mutant):
    """Stopping one subscription stops all of its socket."""

    class Subscription(base.Subscription):
        async def stop_fetching(self) -> None:
            for subscription in tuple(self.socket._subscriptions):
                await subscription.stop_fetching()


@caught_by("test_what_is_retried_while_draining_goes_to_the_next_member")
class DropsRetriesWhileDraining(Mutant):
    """A message that is retried once fetching was stopped is gone."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            return await super().settle(ACK if self.subscription.stopping else outcome)

    class Subscription(base.Subscription):
        def prepare(self) -> None:
            self.stopping = False

        async def stop_fetching(self) -> None:
            self.stopping = True
            await super().stop_fetching()
