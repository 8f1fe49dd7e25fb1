"""What happens to a message whose handler fails: a frozen value and its arithmetic, no I/O."""

from __future__ import annotations

import random
from typing import Annotated, Literal

import msgspec

from spa_core.config import validate_config
from spa_core.transport.backoff import longest_pause

__all__ = ["FailurePolicy"]


class FailurePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    What happens to a message whose handler fails.

    Attempts are made in place, one after the other, with exponential backoff and full jitter; then the message is
    handed back for later as often as ``redeliver_after`` says; then it ends as ``then`` says. Payloads that cannot be
    decoded and messages refused with ``RejectError`` go to the end at once.

    Attributes:
        attempts: Attempts in place, the first included; at least 1.
        backoff: Upper bound of the first pause between attempts, in seconds; it doubles with each attempt.
        max_backoff: Upper bound of every pause, in seconds.
        redeliver_after: Seconds to hand the message back for, once for each entry, where the transport declares
            ``retry_delay`` and ``attempts``.
        then: ``"dead-letter"``: publish it to the dead-letter topic, with the original payload, headers and the
            reason, and settle it only when that was accepted. ``"drop"``: log and settle it. ``"stop"``: leave it
            unsettled and end the application with an error.
        dead_letter_topic: Where dead letters go; may hold ``{topic}`` and ``{group}``. ``None`` is the transport's
            default (``dead-letters/{group}/{topic}``).

    Raises:
        ParameterError: A value does not fit its field.

    Example:
        >>> FailurePolicy(attempts=5, backoff=0.5).longest_pause(after=2)
        1.0
    """

    attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    backoff: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    max_backoff: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    redeliver_after: tuple[Annotated[float, msgspec.Meta(ge=0)], ...] = ()
    then: Literal["dead-letter", "drop", "stop"] = "dead-letter"
    dead_letter_topic: str | None = None

    def __post_init__(self) -> None:
        # Typed structs do not check what code passes in, and a typo here must not surface at the first fault only.
        validate_config(self)

    def longest_pause(self, *, after: int) -> float:
        """Return the upper bound of the pause after the given number of failed attempts, in seconds."""
        return longest_pause(self.backoff, self.max_backoff, failures=after)

    def pause(self, *, after: int) -> float:
        """Return a random pause, uniform between 0 and :meth:`longest_pause` ("full jitter"), in seconds."""
        return random.uniform(0, self.longest_pause(after=after))  # noqa: S311 - jitter, not cryptography
