"""What the driver raises, said in SPA's errors: the one place where its errors are known by name."""

from __future__ import annotations

import ssl
from typing import Final

from aiokafka import errors as driver_errors  # type: ignore[import-untyped]

from spa_core.errors import AuthenticationError, ConnectError, DisconnectedError, TransportError

__all__ = [
    "COORDINATOR_ERRORS",
    "DRIVER_ERRORS",
    "BatchTooLargeError",
    "DeniedError",
    "PartitionsLostError",
    "ProducerLostError",
    "connect_error",
    "reason",
    "translated",
]

_REFUSALS: Final = (
    driver_errors.AuthenticationFailedError,
    driver_errors.AuthenticationMethodNotSupported,
    driver_errors.IllegalSaslStateError,
    driver_errors.SaslAuthenticationFailed,
    driver_errors.UnsupportedSaslMechanismError,
)
_DENIALS: Final = (
    driver_errors.ClusterAuthorizationFailedError,
    driver_errors.GroupAuthorizationFailedError,
    driver_errors.IncompatibleBrokerVersion,
    driver_errors.InvalidGroupIdError,
    driver_errors.InvalidSessionTimeoutError,
    driver_errors.InvalidTopicError,
    driver_errors.TopicAuthorizationFailedError,
    driver_errors.UnsupportedCodecError,
    driver_errors.UnsupportedVersionError,
)
_TOO_LARGE: Final = (
    driver_errors.MessageSizeTooLargeError,
    driver_errors.RecordListTooLargeError,
    driver_errors.RecordTooLargeError,
)
_PRODUCER_LOST: Final = (
    driver_errors.DuplicateSequenceNumber,
    driver_errors.InvalidProducerEpoch,
    driver_errors.OutOfOrderSequenceNumber,
    driver_errors.ProducerClosed,
    driver_errors.ProducerFenced,
    driver_errors.UnknownProducerId,
)
DRIVER_ERRORS: Final = (driver_errors.KafkaError, OSError, EOFError, AssertionError, AttributeError, TimeoutError)
"""What the driver raises; the last but one where the cluster names no controller, or no node is known."""


class DeniedError(TransportError):
    """The broker refuses this for good: the right to it is missing, or it cannot be."""


class PartitionsLostError(TransportError):
    """The group has gone on without this member: its partitions may be somebody else's by now."""


COORDINATOR_ERRORS: Final = (
    driver_errors.GroupCoordinatorNotAvailableError,
    driver_errors.GroupLoadInProgressError,
    driver_errors.KafkaConnectionError,
    driver_errors.NodeNotReadyError,
    driver_errors.NotCoordinatorForGroupError,
    driver_errors.RequestTimedOutError,
)
"""What is raised while a group has no coordinator, or another one than before."""

_MEMBERSHIP_ERRORS: Final = (
    driver_errors.CommitFailedError,
    driver_errors.IllegalGenerationError,
    driver_errors.RebalanceInProgressError,
    driver_errors.UnknownMemberIdError,
)


class BatchTooLargeError(TransportError):
    """The broker takes no batch of this size."""


class ProducerLostError(TransportError):
    """The broker no longer knows this producer; nothing of the batch was written, and a new producer is needed."""


_MEANINGS: Final[tuple[tuple[tuple[type[BaseException], ...], type[TransportError], str], ...]] = (
    (_REFUSALS, AuthenticationError, "the broker refused the credentials"),
    (_DENIALS, DeniedError, "the broker said no"),
    (_TOO_LARGE, BatchTooLargeError, "the broker takes no batch of this size"),
    (_PRODUCER_LOST, ProducerLostError, "the broker knows this producer no more"),
    (_MEMBERSHIP_ERRORS, PartitionsLostError, "the group went on without this member"),
)


def connect_error(error: BaseException) -> ConnectError:
    """Return what *error* means that the driver raised while connecting for the first time."""
    cause = error.__cause__ or error
    where = f"connecting to {error}" if isinstance(error, driver_errors.KafkaConnectionError) else "connecting"
    found = translated(cause, where)
    return found if isinstance(found, ConnectError) else ConnectError(f"no connection while {where}: {reason(cause)}")


def translated(error: BaseException, doing: str) -> TransportError:
    """Return what *error*, raised by the driver while *doing* something, means."""
    why = reason(error)
    if isinstance(error, ssl.SSLError):
        hint = "Check the scheme (kafka+ssl for TLS), the port and the certificates"
        return ConnectError(f"no TLS connection while {doing}: {why}", hint=hint)
    for kinds, meaning, words in _MEANINGS:
        if isinstance(error, kinds):
            return meaning(f"{words} while {doing}: {why}")
    return DisconnectedError(f"no answer while {doing}: {why}")


def reason(error: BaseException) -> str:
    """Return what happened in words."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, TimeoutError) and not text:
        return "it took too long"
    return text if name in text else f"{name}: {text}"
