"""What ends a request, an application or a message for good; knows nothing of the broker between."""

from __future__ import annotations

from spa_core.errors._base import SpaError

__all__ = [
    "ApplicationError",
    "HandlerFailedError",
    "NoRespondersError",
    "RejectError",
    "RemoteError",
    "RequestError",
    "RequestTimeoutError",
    "ResourceError",
]


class RequestError(SpaError):
    """
    A request got no answer that could be returned.

    Attributes:
        topic: The topic the request was sent to.
    """

    def __init__(self, message: str, *, topic: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.topic = topic


class RequestTimeoutError(RequestError, TimeoutError):
    """
    Nobody answered in time.

    Attributes:
        timeout: The deadline in seconds.
    """

    def __init__(self, message: str, *, topic: str, timeout: float, hint: str | None = None) -> None:
        super().__init__(message, topic=topic, hint=hint)
        self.timeout = timeout


class NoRespondersError(RequestError):
    """The transport knows that nobody listens on the request's topic."""


class RemoteError(RequestError):
    """
    The responder failed, and its error travelled back.

    Attributes:
        error_type: The class name of the remote error.
        text: What the remote error said.
    """

    def __init__(self, message: str, *, topic: str, error_type: str, text: str, hint: str | None = None) -> None:
        super().__init__(message, topic=topic, hint=hint)
        self.error_type = error_type
        self.text = text


class ApplicationError(SpaError):
    """
    An application ended for good; the cause is chained.

    Attributes:
        application: The application's name.
    """

    def __init__(self, message: str, *, application: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.application = application


class ResourceError(ApplicationError):
    """
    A resource failed to enter or to exit; the cause is chained.

    Attributes:
        resource: The resource's name.
    """

    def __init__(self, message: str, *, application: str, resource: str, hint: str | None = None) -> None:
        super().__init__(message, application=application, hint=hint)
        self.resource = resource


class HandlerFailedError(ApplicationError):
    """
    A handler failed for good under ``then="stop"``; the message stays unsettled.

    Attributes:
        topic: The topic of the message that failed.
    """

    def __init__(self, message: str, *, application: str, topic: str, hint: str | None = None) -> None:
        super().__init__(message, application=application, hint=hint)
        self.topic = topic


class RejectError(SpaError):
    """
    Raise it in a handler to refuse a message for good.

    No further attempt is made; the message goes where the failure policy sends messages that failed for good.

    Example:
        >>> def check(reading: float) -> None:
        ...     if reading < 0:
        ...         raise RejectError("a flow cannot be negative")
    """
