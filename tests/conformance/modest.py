"""In-memory transports that can do less: they declare a part of what they could, and refuse all the rest."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from spa_core.errors import PublishRefusedError, SubscribeError
from spa_core.testing.wrapping import WrappedProvider
from spa_core.transport import Retry, SettleOnce, check_subscription, message_check
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType

    from spa_core import SpaMessage
    from spa_core.transport import (
        Capabilities,
        ConnectionListener,
        Delivery,
        Outcome,
        Subscription,
        SubscriptionSpec,
        TransportSocket,
    )

__all__ = ["ModestProvider"]


class ModestProvider(WrappedProvider):
    """
    An in-memory provider that can do what *capabilities* say.

    Args:
        name: The broker's name.
        capabilities: What it can do.
    """

    def __init__(self, name: str, capabilities: Capabilities) -> None:
        super().__init__(MemorySocketProvider(MemoryConfig(name=name, max_payload=capabilities.max_payload)))
        self._capabilities = capabilities
        self.topics: set[str] = set()
        """What exists, where topics must be made before they are used."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self._capabilities

    def open(self, on_connection: ConnectionListener) -> TransportSocket:
        """Make a socket."""
        kind = _BatchSocket if self.capabilities.batch_publish else _Socket
        topics = None if self.capabilities.auto_create else self.topics
        return kind(self.wrapped.open(on_connection), self.capabilities, topics)


class _Socket:
    def __init__(
        self,
        real: Any,  # noqa: ANN401 - with or without batches
        capabilities: Capabilities,
        topics: set[str] | None,
    ) -> None:
        self._real = real
        self._capabilities = capabilities
        self._topics = topics
        self._check = message_check(capabilities, transport="modest")

    async def __aenter__(self) -> Self:
        await self._real.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._real.__aexit__(exc_type, exc, traceback)

    async def publish(self, message: SpaMessage) -> bool | None:
        listened: bool = await self._real.publish(self._possible(message))
        return listened if self._capabilities.no_responders else None

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[Subscription]:
        check_subscription(self._capabilities, spec, transport="modest")
        if not (spec.reply or all(map(self._exists, spec.topics))):
            raise SubscribeError("there is no such topic", topics=spec.topics)
        async with self._real.subscribe(spec) as subscription:
            yield _Subscription(subscription, self._capabilities)

    async def check(self) -> None:
        await self._real.check()

    def _exists(self, topic: str) -> bool:
        replies = topic.startswith(MemorySocketProvider.reply_prefix)
        return replies or self._topics is None or "#" in topic or "+" in topic or topic in self._topics

    def _possible(self, message: SpaMessage) -> SpaMessage:
        if not self._exists(message.topic):
            raise PublishRefusedError("there is no such topic", topic=message.topic, reason="unknown topic")
        if self._check is not None:
            self._check(message)
        return message if self._capabilities.timestamp else message.replace(timestamp=None)


class _BatchSocket(_Socket):
    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        await self._real.publish_many([self._possible(message) for message in messages])


class _Subscription:
    def __init__(self, real: Subscription, capabilities: Capabilities) -> None:
        self._real = real
        self._capabilities = capabilities

    async def receive_batch(self, max_messages: int) -> Sequence[_Delivery]:
        return [_Delivery(each, self._capabilities) for each in await self._real.receive_batch(max_messages)]

    async def stop_fetching(self) -> None:
        await self._real.stop_fetching()


class _Delivery(SettleOnce):
    def __init__(self, real: Delivery, capabilities: Capabilities) -> None:
        told = {"attempt": real.attempt, "redelivered": real.redelivered} if capabilities.attempts else {}
        super().__init__(real.message, native=real.native, **told)
        self._real = real
        self._capabilities = capabilities

    async def apply(self, outcome: Outcome) -> bool:
        if isinstance(outcome, Retry):
            if self._capabilities.retry == "none":
                return False
            outcome = outcome if self._capabilities.retry_delay else Retry()
        return await self._real.settle(outcome)
