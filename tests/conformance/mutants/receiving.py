"""Transports that hand messages out wrongly."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.transport import ACK

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from spa_core import SpaMessage
    from spa_core.transport import Delivery, SubscriptionSpec


@caught_by("test_each_group_gets_everything_once")
class DeliversTwice(Mutant):
    """Each message is handed out twice to its group."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            batch = await super().receive_batch(max(1, max_messages // 2))
            return [each for delivery in batch for each in (delivery, delivery)]


@caught_by("test_a_batch_is_as_large_as_asked_at_most")
class HandsOutTooMany(Mutant):
    """A batch may be larger than it was asked for."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            return await super().receive_batch(max_messages + 1)


@caught_by("test_one_consumer_gets_messages_in_order")
class ReversesBatches(Mutant):
    """The messages of a batch, of one key too, come in the opposite order."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            return (await super().receive_batch(max_messages))[::-1]


@caught_by("test_the_next_message_waits_for_settlement")
class IgnoresPrefetch(Mutant):
    """Messages are handed out however many are unsettled."""

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            async with super().subscribe(msgspec.structs.replace(spec, prefetch=1_000_000)) as subscription:
                yield subscription


class FetchesAhead(base.Subscription):
    """Takes more from the broker than it was asked for, and keeps the rest for the next call."""

    def prepare(self) -> None:
        """Begin with nothing."""
        self.ahead: list[Delivery] = []

    async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
        """Receive."""
        if not self.ahead:
            self.ahead += await super().receive_batch(max(100, max_messages))
        batch, self.ahead = self.ahead[:max_messages], self.ahead[max_messages:]
        return batch


@caught_by("test_what_was_fetched_ahead_is_not_lost")
class LosesWhatWasFetchedAhead(Mutant):
    """What was fetched and not handed out is gone when the subscription is left."""

    Subscription = FetchesAhead

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            async with super().subscribe(spec) as subscription:
                try:
                    yield subscription
                finally:
                    for delivery in subscription.ahead:
                        await delivery.settle(ACK)


@caught_by("test_a_key_is_with_one_member_at_a_time")
class SharesKeys(Mutant):
    """The messages of one key go to whichever member of the group is free."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            if message.key is not None:
                message = message.replace(headers={**message.headers, "key": message.key.hex()}, key=None)
            return await super().publish(message)

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            headers = dict(message.headers)
            key = headers.pop("key", None)
            return message if key is None else message.replace(headers=headers, key=bytes.fromhex(key))
