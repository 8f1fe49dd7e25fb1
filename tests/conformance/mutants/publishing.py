"""Transports that accept messages and do something else with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.errors import SocketClosedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core import SpaMessage


@caught_by("test_publishing_outside_of_the_context_is_refused")
class AcceptsAfterClosing(Mutant):
    """A message that is published on a closed socket is accepted, and goes nowhere."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            try:
                return await super().publish(message)
            except SocketClosedError:
                return False


@caught_by("test_closing_right_after_publishing_loses_nothing")
class LosesOnClosing(Mutant):
    """A message is sent when the next one comes; the last one is lost when the socket closes."""

    class Socket(base.Socket):
        waiting: SpaMessage | None = None

        async def publish(self, message: SpaMessage) -> bool:
            waiting, self.waiting = self.waiting, message
            return waiting is None or await super().publish(waiting)


@caught_by("test_twenty_publishers_at_once")
class PublishesTwice(Mutant):
    """A message is sent again although the broker has it."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            await super().publish(message)
            return await super().publish(message)


@caught_by("test_twenty_publishers_at_once")
class MixesPublishersUp(Mutant):
    """Of publishes at the same time the later one overwrites what the earlier one was about to send."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            self.message = message
            await self._let_others_run()
            return await super().publish(self.message)


@caught_by("test_a_batch_keeps_its_order")
class ReversesPublishedBatches(Mutant):
    """A batch is sent from its end."""

    class Socket(base.Socket):
        async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
            await super().publish_many(messages[::-1])
