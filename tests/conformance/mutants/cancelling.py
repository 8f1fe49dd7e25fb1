"""Transports that do the wrong thing when they are cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from mutants import base
from mutants.base import Mutant, caught_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.transport import Delivery


@caught_by("test_a_cancelled_receive_loses_nothing")
class LosesWhenCancelled(Mutant):
    """A message that was taken is lost when the call is cancelled before it returns."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            batch = await super().receive_batch(max_messages)
            await checkpoint()
            return batch


@caught_by("test_a_waiting_receive_can_be_cancelled")
class SwallowsCancellation(Mutant):
    """A call that is cancelled returns as if it had found nothing."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            try:
                return await super().receive_batch(max_messages)
            except anyio.get_cancelled_exc_class():
                return []


@caught_by("test_a_waiting_receive_can_be_cancelled")
class EndsWhenCancelled(Mutant):
    """A subscription whose call was cancelled hands out nothing any more."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            try:
                return await super().receive_batch(max_messages)
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    await self.stop_fetching()
                raise
