"""
The contract between core and a transport: four small protocols and one specification.

A transport moves messages and settles them. Everything that every transport needs (requests and replies, retries, dead
letters, ordering lanes, codecs, health) lives in core, once, above this contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from spa_core.message import SpaMessage
    from spa_core.transport.settlement import Outcome

__all__ = [
    "BatchPublisher",
    "ConnectionEvent",
    "ConnectionListener",
    "Counting",
    "Delivery",
    "Subscription",
    "SubscriptionSpec",
    "TransportSocket",
]


class SubscriptionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a subscription asks for.

    Attributes:
        topics: Validated MQTT-style filters, at least one. A message that matches several of them is delivered once.
        group: Members of one group share the messages; ``None``: this subscription gets every message.
        prefetch: The most messages handed out and not yet settled (where ``Capabilities.prefetch`` is declared).
        reply: This is core's own reply subscription: one filter ``{reply_prefix}/{nonce}/+``, no group, new messages
            only. Transports whose brokers need a topic to exist may serve it from one private topic of their own.
    """

    topics: tuple[str, ...]
    group: str | None = None
    prefetch: int = 100
    reply: bool = False


class ConnectionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    A change of a transport's connection.

    Attributes:
        state: ``"connected"``, ``"disconnected"`` (it will be tried again) or ``"closed"`` (for good).
        reason: Why, in words, secrets redacted; empty for an expected change.
    """

    state: Literal["connected", "disconnected", "closed"]
    reason: str = ""


ConnectionListener: TypeAlias = Callable[[ConnectionEvent], None]
"""What a transport calls, from the event loop's thread, at each change of its connection; it never raises or blocks."""


@runtime_checkable
class Delivery(Protocol):
    """
    One message handed out, to be settled once. :class:`~spa_core.transport.SettleOnce` implements all but one method.

    The attributes are read-only, so that an implementation may be immutable, or promise more than it has to.
    """

    @property
    def message(self) -> SpaMessage:
        """The message; the same body and the original headers on every redelivery."""
        ...

    @property
    def attempt(self) -> int | None:
        """1 on the first delivery, rising with each redelivery; ``None`` if the broker does not count."""
        ...

    @property
    def redelivered(self) -> bool | None:
        """Whether it was delivered before; ``None`` if the broker does not say."""
        ...

    @property
    def native(self) -> Any:  # noqa: ANN401 - the driver's own business
        """The driver's own object."""
        ...

    async def settle(self, outcome: Outcome) -> bool:
        """
        Say how the delivery ended; the first call wins.

        Must be cheap: a transport that acknowledges over the network notes the outcome and sends acknowledgements in
        batches. Settlement stays possible after ``stop_fetching``, until the subscription is left. A ``Retry`` is then
        not handed out here again: the message stays unsettled, for the group's next member or the next session.

        Returns:
            Whether this call took effect. ``False``: settled before, or the connection that delivered it has ended, so
            that the broker delivers it again.
        """
        ...


@runtime_checkable
class Subscription(Protocol):
    """A live subscription: pulled, never pushing, so that backpressure and cancellation come by themselves."""

    async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
        """
        Wait until at least one message is there and return up to *max_messages*, in order.

        Cancelling the call loses no message. It lets other tasks run at least once a call. A lost connection that the
        transport restores by itself is not an error here: the call goes on waiting.

        Args:
            max_messages: The most deliveries to return, at least 1.

        Raises:
            EndOfSubscription: ``stop_fetching`` was called or the subscription was left.
            TransportError: The subscription is lost for good.
        """
        ...

    async def stop_fetching(self) -> None:
        """
        Begin to drain: hand out nothing more, wake a waiting ``receive_batch``, keep settlement open.

        A member of a group whose broker cannot take back what it has sent first hands that out, or it would be lost:
        then ``receive_batch`` ends when nothing of it is left.

        May be called more than once.
        """
        ...


@runtime_checkable
class TransportSocket(Protocol):
    """
    An open way to the broker: an async context manager, connected when entered, used from one event loop.

    Several tasks may publish at once. Leaving it gives unsettled messages back to the broker.
    """

    async def __aenter__(self) -> Self:
        """
        Connect.

        Raises:
            ConnectError: Not connected within the configured deadline; nothing stays open.
        """
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Disconnect; flush what was accepted. Leaving again, or without having entered, does nothing."""
        ...

    async def publish(self, message: SpaMessage) -> bool | None:
        """
        Publish and return once the message is accepted at the declared confirm level.

        Returns:
            ``False`` if the transport knows that nobody listens on the topic, ``True`` if somebody does, ``None`` if it
            cannot tell.

        Raises:
            SocketClosedError: Before entering or after leaving.
            PublishError: The message was not accepted.
        """
        ...

    def subscribe(self, spec: SubscriptionSpec) -> AbstractAsyncContextManager[Subscription]:
        """
        Return a context manager whose entered value is a live subscription.

        Once entered, every message published from then on is delivered. Leaving it gives the unsettled messages of a
        group back to the group.

        Raises:
            SocketClosedError: On entering: before the socket was entered or after it was left.
            SubscribeError: On entering: the broker refused.
        """
        ...

    async def check(self) -> None:
        """
        Prove that the broker answers.

        Raises:
            SocketClosedError: Before entering or after leaving.
            TransportError: It does not.
        """
        ...


@runtime_checkable
class BatchPublisher(Protocol):
    """What a transport socket implements besides when it declares ``Capabilities.batch_publish``."""

    async def publish_many(self, messages: Sequence[SpaMessage]) -> None:
        """
        Publish in order and return once all messages are accepted; an empty batch does nothing.

        Raises:
            PublishError: One was not accepted; those before it were, those after it were not.
        """
        ...


@runtime_checkable
class Counting(Protocol):
    """What a transport socket implements besides if it counts what an operator should know of."""

    @property
    def counters(self) -> Mapping[str, int]:
        """
        What was counted since the socket was entered, subscriptions that were left included: each only rises.

        Such as ``{"dropped": 3}`` for messages that were dropped because they came too fast. Always the same names,
        in words for people; cheap to take.
        """
        ...
