"""
One delivery from its first attempt to its settlement; nothing here knows of subscriptions or concurrency.

The law of this file: a message is settled after its handler succeeded, or after its failure was put somewhere safe.
Everything else, a cancellation included, leaves it unsettled, so that the broker delivers it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import msgspec

from spa_core._delivery.dead_letters import DeadLetters
from spa_core._delivery.policy import FailurePolicy
from spa_core._failures import described, is_failure
from spa_core._groups import sole_error
from spa_core.errors import CodecError, HandlerFailedError, RejectError
from spa_core.message import SpaMessage
from spa_core.transport import ACK, Capabilities, Outcome, Reject, Retry, current_delivery

if TYPE_CHECKING:
    from spa_core._delivery.progress import Progress, Slot
    from spa_core.transport import Delivery

logger = logging.getLogger("spa_core.delivery")

Bind: TypeAlias = Callable[["SpaMessage"], dict[str, Any]]
Call: TypeAlias = Callable[..., Awaitable[Any]]
OnSettled: TypeAlias = Callable[["SpaMessage", Outcome, float], None]
OnGivenUp: TypeAlias = Callable[["SpaMessage", BaseException], None]

LEAST_HOLD: Final = 1.0
"""Seconds at least before a refused dead letter is tried again, so that no policy makes a hot loop of it."""


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """
    What handling needs to know of the application whose messages it handles.

    Attributes:
        name: The application's name, for dead letters and logs.
        group: Its consumer group, or its name where it has none.
        bind: Makes the handler's arguments; raises ``CodecError`` for what cannot be decoded.
        call: The handler.
        publish: Publishes a dead letter; tells whether anybody listens, ``None`` if that is not known.
        reply: Answers a request with a value.
        reply_error: Answers a request with an error.
        policy: What happens to messages that fail.
        dead_letter_topic: Pattern of the dead-letter topic.
        capabilities: What the transport declares.
        on_settled: Told of each settlement that took effect; ``None`` if nobody listens.
        on_given_up: Told of each message that no further attempt is made with, and why; ``None`` if nobody listens.
    """

    name: str
    group: str
    bind: Bind
    call: Call
    publish: Callable[[SpaMessage], Awaitable[bool | None]]
    reply: Callable[[SpaMessage, object], Awaitable[None]]
    reply_error: Callable[[SpaMessage, BaseException], Awaitable[None]]
    policy: FailurePolicy
    dead_letter_topic: str
    capabilities: Capabilities
    on_settled: OnSettled | None = None
    on_given_up: OnGivenUp | None = None


class Handling:
    """Handles the deliveries of one consumer."""

    def __init__(self, consumer: Consumer, progress: Progress) -> None:
        self._consumer = consumer
        self._counts = progress.counts
        self._progress = progress
        # Looked up for each message: attributes of attributes would cost more than the calls themselves.
        self._bind = consumer.bind
        self._call = consumer.call
        self._on_settled = consumer.on_settled
        self._letters = DeadLetters(
            consumer.dead_letter_topic,
            application=consumer.name,
            group=consumer.group,
            capabilities=consumer.capabilities,
        )

    async def handle(self, delivery: Delivery, slot: Slot) -> None:
        """
        Handle one delivery to its end.

        Raises:
            HandlerFailedError: It failed for good and the policy says ``"stop"``.
        """
        message = delivery.message
        slot.started = time.monotonic()
        slot.message = message
        current_delivery.set(delivery)
        try:
            result = await self._call(**self._bind(message))
            if result is not None and message.response_topic is not None:
                await self._consumer.reply(message, result)
        except BaseException as error:
            if not is_failure(error):
                self._counts.cancelled += 1
                slot.message = None
                raise
            failure = error
        else:
            self._counts.handled += 1
            await self._settle(delivery, ACK, slot)
            slot.message = None
            return
        # Out of the except block, or each further error would drag the first one along as its context.
        try:
            await self._recover(delivery, failure, slot)
        finally:
            slot.message = None
            del failure

    async def _settle(self, delivery: Delivery, outcome: Outcome, slot: Slot) -> None:
        applied = await delivery.settle(outcome)
        self._progress.last_settled = now = time.monotonic()
        if applied and self._on_settled is not None:
            self._on_settled(delivery.message, outcome, now - slot.started)

    async def _recover(self, delivery: Delivery, error: BaseException, slot: Slot) -> None:
        try:
            attempts, last = await self._try_again(delivery, error)
            if last is None:
                self._counts.handled += 1
                await self._settle(delivery, ACK, slot)
            else:
                await self._give_up(delivery, last, attempts, slot)
        except anyio.get_cancelled_exc_class():
            self._counts.cancelled += 1
            raise

    async def _try_again(self, delivery: Delivery, error: BaseException) -> tuple[int, BaseException | None]:
        """Make the remaining attempts; return how many were made in all and the last error, ``None`` on success."""
        policy = self._consumer.policy
        attempts = 1
        self._failed(delivery, error, attempts)
        while attempts < policy.attempts and not _is_final(error):
            await anyio.sleep(policy.pause(after=attempts))
            attempts += 1
            self._counts.retried += 1
            try:
                await self._attempt(delivery.message)
            except BaseException as again:
                if not is_failure(again):
                    raise
                error = again
                self._failed(delivery, error, attempts)
            else:
                return attempts, None
        return attempts, error

    async def _attempt(self, message: SpaMessage) -> None:
        result = await self._call(**self._bind(message))
        if result is not None and message.response_topic is not None:
            await self._consumer.reply(message, result)

    def _failed(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
        self._counts.failed += 1
        consumer = self._consumer
        # Only the last failure is a matter for an operator, and it is logged where it is decided what becomes of it.
        logger.info(
            "%s: attempt %d of %d on %r failed: %s",
            consumer.name,
            attempts,
            consumer.policy.attempts,
            delivery.message.topic,
            described(error),
        )

    async def _give_up(self, delivery: Delivery, error: BaseException, attempts: int, slot: Slot) -> None:
        consumer = self._consumer
        later = self._redeliver_after(delivery, error)
        if later is not None:
            self._counts.redelivered += 1
            await self._settle(delivery, Retry(later), slot)
            return
        if consumer.on_given_up is not None:
            consumer.on_given_up(delivery.message, error)
        if consumer.policy.then == "stop":
            raise HandlerFailedError(
                f"{consumer.name} failed on {delivery.message.topic!r}: {described(error)}",
                application=consumer.name,
                topic=delivery.message.topic,
            ) from error
        if consumer.policy.then == "drop" or self._letters.hold(delivery.message):
            await self._drop(delivery, error, attempts, slot)
        else:
            await self._bury(delivery, error, attempts, slot)

    def _redeliver_after(self, delivery: Delivery, error: BaseException) -> float | None:
        consumer = self._consumer
        stages = consumer.policy.redeliver_after
        if _is_final(error) or delivery.attempt is None or not consumer.capabilities.retry_delay:
            return None
        return stages[delivery.attempt - 1] if delivery.attempt <= len(stages) else None

    async def _drop(self, delivery: Delivery, error: BaseException, attempts: int, slot: Slot) -> None:
        reason = described(error)
        logger.error(
            "%s: dropped a message on %r after %d attempt(s): %s",
            self._consumer.name,
            delivery.message.topic,
            attempts,
            reason,
            exc_info=error,
        )
        self._counts.dropped += 1
        await self._tell_requester(delivery.message, error)
        await self._settle(delivery, Reject(reason), slot)

    async def _bury(self, delivery: Delivery, error: BaseException, attempts: int, slot: Slot) -> None:
        """Publish the dead letter, then settle; while it cannot be published the message is kept, never lost."""
        consumer = self._consumer
        letter = self._letters.letter(delivery.message, error, attempts=attempts)
        tries = 0
        while isinstance(heard := await self._sent(letter), Exception):
            tries += 1
            pause = max(LEAST_HOLD, consumer.policy.pause(after=max(tries, delivery.attempt or 1)))
            self._held(delivery, letter, heard, pause)
            if consumer.capabilities.retry_delay:
                await self._settle(delivery, Retry(pause), slot)
                return
            await anyio.sleep(pause)
        logger.error(
            "%s: message on %r dead-lettered to %r%s after %d attempt(s): %s",
            consumer.name,
            delivery.message.topic,
            letter.topic,
            ", where nobody listens," if heard is False else "",
            attempts,
            described(error),
            exc_info=error,
        )
        self._counts.dead_lettered += 1
        await self._tell_requester(delivery.message, error)
        await self._settle(delivery, ACK, slot)

    async def _sent(self, letter: SpaMessage) -> bool | Exception | None:
        """Publish a dead letter; return whether anybody listens, or why it was not accepted."""
        try:
            return await self._consumer.publish(letter)
        except Exception as refusal:  # noqa: BLE001 - whatever refuses it, the original must stay
            return refusal

    def _held(self, delivery: Delivery, letter: SpaMessage, refusal: Exception, pause: float) -> None:
        self._counts.held += 1
        logger.error(
            "%s: dead letter of a message on %r not accepted on %r; it is kept and tried again in %.1f s: %s",
            self._consumer.name,
            delivery.message.topic,
            letter.topic,
            pause,
            described(refusal),
        )

    async def _tell_requester(self, message: SpaMessage, error: BaseException) -> None:
        try:
            await self._consumer.reply_error(message, error)
        except Exception:
            # The message itself is safe already; its requester runs into the timeout.
            logger.warning("%s: error reply to %r not sent", self._consumer.name, message.response_topic, exc_info=True)


def _is_final(error: BaseException) -> bool:
    """Whether another attempt cannot help: the payload is not decodable, or the handler said so."""
    return isinstance(sole_error(error), (RejectError, CodecError))
