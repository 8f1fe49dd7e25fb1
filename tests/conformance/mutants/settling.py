"""Transports that get the end of a delivery wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.transport import ACK, Ack, Reject, Retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core import SpaMessage
    from spa_core.transport import Delivery, Outcome


@caught_by("test_retry_delivers_the_same_message_again")
class DropsOnRetry(Mutant):
    """A message that is retried is gone."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            return await super().settle(ACK if isinstance(outcome, Retry) else outcome)


@caught_by("test_an_unsettled_message_is_delivered_again")
class AcknowledgesEarly(Mutant):
    """A message counts as done with once it was handed out."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            batch = await super().receive_batch(max_messages)
            for delivery in batch:
                await delivery.settle(ACK)
            return batch


@caught_by("test_acknowledging_out_of_order_loses_nothing")
class AcknowledgesAllBefore(Mutant):
    """Acknowledging a message acknowledges all that were handed out before it, as committing past a gap does."""

    class Subscription(base.Subscription):
        def prepare(self) -> None:
            self.handed_out: list[Delivery] = []

        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            batch = await super().receive_batch(max_messages)
            self.handed_out += batch
            return batch

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            if isinstance(outcome, Ack):
                earlier = self.subscription.handed_out
                for delivery in earlier[: earlier.index(self)]:
                    await delivery.real.settle(ACK)
            return await super().settle(outcome)


@caught_by("test_retry_delivers_the_same_message_again")
class ChangesHeadersOnRetry(Mutant):
    """A message that comes again carries a header of the transport's own."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            return message.replace(headers={**message.headers, "x-death": "1"}) if self.redelivered else message


@caught_by("test_attempts_are_counted")
class CountsNoAttempts(Mutant):
    """Every delivery says that it is the first."""

    class Delivery(base.Delivery):
        @property
        def attempt(self) -> int | None:
            return 1

        @property
        def redelivered(self) -> bool | None:
            return False


@caught_by("test_attempts_outlive_the_member")
class CountsAttemptsOfEachMember(Mutant):
    """The count begins again with each subscription."""

    class Subscription(base.Subscription):
        def prepare(self) -> None:
            self.seen: dict[bytes, int] = {}

        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            batch = await super().receive_batch(max_messages)
            for delivery in batch:
                self.seen[delivery.message.payload] = self.seen.get(delivery.message.payload, 0) + 1
            return batch

    class Delivery(base.Delivery):
        @property
        def attempt(self) -> int | None:
            seen: dict[bytes, int] = self.subscription.seen
            return seen[self.message.payload]


@caught_by("test_settling_twice_is_told")
class AlwaysSettles(Mutant):
    """Every settlement says that it took effect."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            await super().settle(outcome)
            return True


@caught_by("test_settling_after_leaving_is_told")
class RaisesWhenLate(Mutant):
    """Settling too late is an error."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            if not await super().settle(outcome):
                raise ConnectionError("the channel is closed")
            return True


@caught_by("test_a_rejected_message_is_gone")
class RetriesTheRejected(Mutant):
    """A message that is rejected comes again."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            return await super().settle(Retry() if isinstance(outcome, Reject) else outcome)


@caught_by("test_a_delayed_retry_does_not_hold_up_others")
class RetriesTooEarly(Mutant):
    """The delay of a retry is ignored."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            return await super().settle(Retry() if isinstance(outcome, Retry) else outcome)


@caught_by("test_a_delayed_retry_does_not_hold_up_others")
class WaitsWhileRetrying(Mutant):
    """The delay of a retry is slept through before anything else is done."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            if isinstance(outcome, Retry):
                await anyio.sleep(outcome.delay)
            return await super().settle(outcome)


@caught_by("test_a_delayed_retry_outlives_its_member")
class ForgetsDelayedRetries(Mutant):
    """A retry is kept by the subscription, and lost with it."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            return await super().settle(ACK if isinstance(outcome, Retry) and outcome.delay else outcome)


@caught_by("test_a_retried_message_stays_ahead")
class RetriesAtTheEnd(Mutant):
    """A message that is retried is published anew, behind all others."""

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            if not isinstance(outcome, Retry):
                return await super().settle(outcome)
            applied = await super().settle(ACK)
            await self.subscription.socket.publish(self.message)
            return applied


@caught_by("test_settling_goes_on_after_stop_fetching")
class StopsSettlingToo(Mutant):
    """Once fetching is stopped nothing can be settled."""

    class Subscription(base.Subscription):
        stopped = False

        async def stop_fetching(self) -> None:
            self.stopped = True
            await super().stop_fetching()

    class Delivery(base.Delivery):
        async def settle(self, outcome: Outcome) -> bool:
            return not self.subscription.stopped and await super().settle(outcome)
