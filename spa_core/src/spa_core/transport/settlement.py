"""
How a delivery ends: the three outcomes, and the rule that the first one wins.

"Nack" is not a word here: it means five things in five libraries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

__all__ = ["ACK", "Ack", "Outcome", "Reject", "Retry", "SettleOnce"]


class Ack(msgspec.Struct, frozen=True):
    """The message is done with; it is not delivered to this consumer again."""


class Retry(msgspec.Struct, frozen=True):
    """
    Deliver the message again.

    Attributes:
        delay: Seconds to wait at least; more than 0 only where ``Capabilities.retry_delay`` is declared.
    """

    delay: float = 0.0


class Reject(msgspec.Struct, frozen=True):
    """
    The message is refused for good; it is not delivered to this consumer again.

    Attributes:
        reason: Why, for the broker's own dead-letter facility and for logs.
    """

    reason: str = ""


Outcome = Ack | Retry | Reject
"""What a delivery can be settled with."""

ACK: Final = Ack()
"""The one acknowledgement, made once."""


class SettleOnce(ABC):
    """
    A delivery whose first settlement wins; transports subclass it and implement :meth:`apply`.

    It is the shortest way to satisfy the ``Delivery`` protocol: a second call to :meth:`settle`, of whatever outcome,
    does nothing and returns ``False``.

    Attributes:
        message: The message as it was received.
        attempt: 1 on the first delivery, rising with each redelivery; ``None`` if the broker does not count.
        redelivered: Whether it was delivered before; ``None`` if the broker does not say.
        native: The driver's own object, for callers who know the transport; not part of any guarantee.
        outcome: What the delivery was settled with; ``None`` while it is not settled.
    """

    __slots__ = ("attempt", "message", "native", "outcome", "redelivered")

    def __init__(
        self,
        message: SpaMessage,
        *,
        attempt: int | None = None,
        redelivered: bool | None = None,
        native: Any = None,  # noqa: ANN401 - the driver's object, of whatever type
    ) -> None:
        self.message = message
        self.attempt = attempt
        self.redelivered = redelivered
        self.native = native
        self.outcome: Outcome | None = None

    async def settle(self, outcome: Outcome) -> bool:
        """
        Settle the delivery; the first call wins.

        Returns:
            Whether this call took effect: ``False`` if the delivery was settled before, or if :meth:`apply` says that
            the broker has already taken the message back.
        """
        if self.outcome is not None:
            return False
        self.outcome = outcome
        return await self.apply(outcome)

    @abstractmethod
    async def apply(self, outcome: Outcome) -> bool:
        """Tell the broker; called at most once. Return ``False`` if it is too late (the connection ended meanwhile)."""
