"""What goes wrong between us and the broker, and how a subscription ends; names no broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.errors._base import SpaError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AuthenticationError",
    "ConnectError",
    "DisconnectedError",
    "EndOfSubscription",
    "MessageTooLargeError",
    "PublishError",
    "PublishRefusedError",
    "QueueFullError",
    "SocketClosedError",
    "SubscribeError",
    "TransportError",
]


class TransportError(SpaError):
    """
    Something went wrong between us and the broker.

    Attributes:
        retriable: Whether the same call can succeed later without a change.
    """

    retriable: bool = False


class ConnectError(TransportError):
    """No connection could be made within the deadline."""

    retriable = True


class AuthenticationError(ConnectError):
    """The broker refused the credentials or the right to connect."""

    retriable = False


class DisconnectedError(TransportError):
    """The connection ended while it was in use."""

    retriable = True


class SocketClosedError(TransportError):
    """A socket was used before it was opened or after it was closed."""


class SubscribeError(TransportError):
    """
    The broker refused a subscription.

    Attributes:
        topics: The topics of the refused subscription.
    """

    def __init__(self, message: str, *, topics: Sequence[str], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.topics = tuple(topics)


class PublishError(TransportError):
    """
    A message was not accepted.

    Attributes:
        topic: The message's topic.
    """

    def __init__(self, message: str, *, topic: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.topic = topic


class QueueFullError(PublishError):
    """
    A bounded queue stayed full.

    Attributes:
        queue: The name of the full queue.
        limit: Its bound, in messages.
    """

    retriable = True

    def __init__(self, message: str, *, topic: str, queue: str, limit: int, hint: str | None = None) -> None:
        super().__init__(message, topic=topic, hint=hint)
        self.queue = queue
        self.limit = limit


class MessageTooLargeError(PublishError):
    """
    A message is larger than the transport allows; refused before sending.

    Attributes:
        size: The payload's size in bytes.
        limit: The largest allowed size in bytes.
    """

    def __init__(self, message: str, *, topic: str, size: int, limit: int, hint: str | None = None) -> None:
        super().__init__(message, topic=topic, hint=hint)
        self.size = size
        self.limit = limit


class PublishRefusedError(PublishError):
    """
    The broker refused a message.

    Attributes:
        reason: The broker's reason.
    """

    def __init__(self, message: str, *, topic: str, reason: str, hint: str | None = None) -> None:
        super().__init__(message, topic=topic, hint=hint)
        self.reason = reason


class EndOfSubscription(Exception):  # noqa: N818 - not a fault, like StopIteration
    """No further delivery will come: fetching was stopped or the subscription was closed."""
