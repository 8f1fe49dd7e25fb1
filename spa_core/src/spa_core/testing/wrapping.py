"""A provider and its sockets inside others: what wraps them says what is different, and the rest goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from spa_core import SocketProvider, TransportConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from spa_core.message import SpaMessage
    from spa_core.transport import Capabilities, Subscription, SubscriptionSpec, TransportSocket

__all__ = ["WrappedProvider", "WrappedSocket"]


class WrappedProvider(SocketProvider[TransportConfig]):
    """
    A provider that differs from another one only in its sockets; subclasses say how in ``open``.

    Attributes:
        wrapped: The other one.
    """

    def __init__(self, wrapped: SocketProvider[Any]) -> None:
        super().__init__(wrapped.config)
        self.wrapped = wrapped
        self.codecs = wrapped.codecs
        self.envelope = wrapped.envelope
        self.take_topics_of(wrapped)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped provider."""
        return self.wrapped.capabilities

    def overwrite_config(self, **changes: Any) -> Self:
        """
        Return a new provider, wrapped as this one is, with some configuration fields changed.

        Raises:
            ParameterError: A name or a value does not fit; names the nearest field.
        """
        wrapped = self.wrapped.overwrite_config(**changes)
        return self._with(wrapped=wrapped, config=wrapped.config)

    def take_topics_of(self, provider: SocketProvider[Any]) -> None:
        """Send replies and dead letters where *provider* would."""
        # Constants of a class as a rule; here they are those of another class.
        for name in ("reply_prefix", "dead_letter_topic"):
            setattr(self, name, getattr(provider, name))


class WrappedSocket:
    """
    A transport socket that does what another one does.

    Attributes:
        transport: The other one.
    """

    def __init__(self, transport: TransportSocket) -> None:
        self.transport = transport

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self.transport.__aexit__(exc_type, exc, traceback)

    async def publish(self, message: SpaMessage) -> bool | None:
        """Publish a message."""
        return await self.transport.publish(message)

    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        """Publish messages in order, one by one."""
        for message in messages:
            await self.publish(message)

    def subscribe(self, spec: SubscriptionSpec) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe while the context is open."""
        return self.transport.subscribe(spec)

    async def check(self) -> None:
        """Prove that the broker answers."""
        await self.transport.check()
