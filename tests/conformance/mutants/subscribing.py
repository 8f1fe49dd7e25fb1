"""Transports that get wrong who hears what, and from when to when."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.transport import ACK

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager

    from spa_core import SpaMessage
    from spa_core.transport import Delivery, Subscription, SubscriptionSpec


@caught_by("test_a_subscription_is_live_once_it_is_entered")
class SubscribesLate(Mutant):
    """A subscription begins when it is first received from."""

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            late = Late(super().subscribe(spec))
            try:
                yield late
            finally:
                await late.leave()


class Late:
    """A subscription that is entered when it is first received from."""

    def __init__(self, subscribing: AbstractAsyncContextManager[Subscription]) -> None:
        self._subscribing = subscribing
        self._real: Subscription | None = None

    async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
        """Receive."""
        if self._real is None:
            self._real = await self._subscribing.__aenter__()
        return await self._real.receive_batch(max_messages)

    async def stop_fetching(self) -> None:
        """Drain."""
        if self._real is not None:
            await self._real.stop_fetching()

    async def leave(self) -> None:
        """Leave."""
        if self._real is not None:
            await self._subscribing.__aexit__(None, None, None)


@caught_by("test_leaving_ends_whoever_waits")
class LeavesReadersWaiting(Mutant):
    """Who waits for a message of a subscription that is left waits on."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            try:
                return await super().receive_batch(max_messages)
            except Exception:
                await anyio.sleep_forever()
                raise


@caught_by("test_subscriptions_without_a_group_get_everything")
class FansOutToOne(Mutant):
    """Subscriptions without a group share the messages as if they were in one."""

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            async with super().subscribe(msgspec.structs.replace(spec, group=spec.group or "all")) as subscription:
                yield subscription


@caught_by("test_whoever_comes_again_finds_no_backlog")
class KeepsListening(Mutant):
    """What a subscription is sent while it is away waits for it, although it has no group."""

    def prepare(self) -> None:
        self.names = (f"own {number}" for number in itertools.count())
        self.left: dict[tuple[str, ...], list[str]] = {}

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            left = self.mutant.left.setdefault(spec.topics, [])
            own = left.pop() if left else next(self.mutant.names)
            async with super().subscribe(msgspec.structs.replace(spec, group=spec.group or own)) as subscription:
                yield subscription
            left.append(own)


@caught_by("test_a_group_without_members_keeps_its_messages")
class ForgetsGroups(Mutant):
    """A group has no messages while it has no members."""

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            async with super().subscribe(spec) as subscription:
                if spec.group is not None:
                    await drop_what_waits(subscription)
                yield subscription


async def drop_what_waits(subscription: Subscription) -> None:
    """Acknowledge all messages that are there now."""
    while True:
        batch: Sequence[Delivery] = []
        with anyio.move_on_after(0.01):
            batch = await subscription.receive_batch(100)
        if not batch:
            return
        for delivery in batch:
            await delivery.settle(ACK)


@caught_by("test_one_name_on_two_topics_is_two_groups")
class ForgetsTopicsOfGroups(Mutant):
    """All subscriptions under one group name take from one queue, whatever topics they ask for."""

    def prepare(self) -> None:
        self.groups: dict[str, SubscriptionSpec] = {}

    class Socket(base.Socket):
        @asynccontextmanager
        async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Any]:
            groups = self.mutant.groups
            first = spec if spec.group is None else groups.setdefault(spec.group, spec)
            async with super().subscribe(msgspec.structs.replace(spec, topics=first.topics)) as subscription:
                yield subscription


@caught_by("test_a_new_subscriber_is_greeted")
class GreetsWithoutFlag(Mutant):
    """Retained messages look like any others."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            return super().message.replace(retain=False)


@caught_by("test_an_empty_retained_message_clears_the_topic")
class GreetsForEver(Mutant):
    """A retained message can be replaced, and never taken away."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            return await super().publish(message.replace(retain=message.retain and bool(message.payload)))
