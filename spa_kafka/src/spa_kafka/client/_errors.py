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


_NO_LOGIN: Final = (driver_errors.IllegalSaslStateError,)

_MEANINGS: Final[tuple[tuple[tuple[type[BaseException], ...], type[TransportError], str], ...]] = (
    (_REFUSALS, AuthenticationError, "the broker refused the credentials"),
    (_NO_LOGIN, AuthenticationError, "the broker takes no login on this port"),
    (_DENIALS, DeniedError, "the broker said no"),
    (_TOO_LARGE, BatchTooLargeError, "the broker takes no batch of this size"),
    (_PRODUCER_LOST, ProducerLostError, "the broker knows this producer no more"),
    (_MEMBERSHIP_ERRORS, PartitionsLostError, "the group went on without this member"),
)


_HINTS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    (_REFUSALS, "Check the user name, the password and sasl_mechanism="),
    (_NO_LOGIN, "Leave out the user name, or name a port that wants one"),
    (
        (driver_errors.KafkaConnectionError, ConnectionResetError, EOFError),
        "A broker that hangs up may want TLS (kafka+ssl), a certificate or a login, or none: see what the port is for",
    ),
)
"""What to do about an error while connecting for the first time."""


def connect_error(error: BaseException) -> ConnectError:
    """Return what *error* means that the driver raised while connecting for the first time."""
    cause = error.__cause__ or error
    where = f"connecting to {_text(error)}" if isinstance(error, driver_errors.KafkaConnectionError) else "connecting"
    found = translated(cause, where)
    if not isinstance(found, ConnectError):
        found = ConnectError(f"no connection while {where}: {reason(cause)}")
    found.hint = found.hint or next((hint for kinds, hint in _HINTS if isinstance(cause, kinds)), None)
    return found


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
    name, text = type(error).__name__, _text(error)
    if isinstance(error, TimeoutError) and not text:
        return "it took too long"
    return text if name in text else f"{name}: {text}" if text else name


def _text(error: BaseException) -> str:
    """Return what the driver says, without its objects, and without the name that it puts before its own words."""
    if not isinstance(error, driver_errors.KafkaError) or not error.args:
        return str(error)
    words = ", ".join(each for each in error.args if isinstance(each, str))
    return words or getattr(error, "description", "").rstrip(".")
