"""
Every error SPA raises, drawn as a tree.

::

    SpaError
    ├── ConfigurationError (ValueError)    wrong before anything ran
    │   ├── UrlError                       the URL cannot be read
    │   ├── UnknownSchemeError             no installed transport serves the scheme
    │   ├── ParameterError                 unknown or unusable configuration parameter
    │   ├── TopicError                     invalid topic, filter or template
    │   ├── SignatureError                 a handler's signature cannot be satisfied
    │   └── CapabilityError                the transport does not declare what is asked
    ├── PluginError                        a plugin stands in the way
    │   ├── PluginLoadError                its import failed
    │   └── PluginConflictError            two distributions claim one name
    ├── CodecError                         between bytes and objects
    │   ├── DecodeError                    the payload is not what the type asks for
    │   ├── EncodeError                    the object cannot be written in the content type
    │   └── UnknownContentTypeError        no codec for the content type
    ├── TransportError                     between us and the broker
    │   ├── ConnectError                   no connection within the deadline
    │   │   └── AuthenticationError        the broker refused the credentials
    │   ├── DisconnectedError              the connection ended while in use
    │   ├── SocketClosedError              used before opening or after closing
    │   ├── SubscribeError                 the broker refused the subscription
    │   └── PublishError                   the message was not accepted
    │       ├── QueueFullError             a bounded queue stayed full
    │       ├── MessageTooLargeError       larger than the transport allows
    │       └── PublishRefusedError        the broker said no
    ├── RequestError                       a request got no answer to return
    │   ├── RequestTimeoutError (TimeoutError)
    │   ├── NoRespondersError              nobody listens on the topic
    │   └── RemoteError                    the responder failed; its error travelled back
    ├── ApplicationError                   an application ended for good
    │   ├── ResourceError                  a resource failed to enter or to exit
    │   └── HandlerFailedError             a handler failed under ``then="stop"``
    ├── RejectError                        raised *by* handlers: do not try again
    └── EndOfSubscription                  no further delivery will come

Facts are attributes, ``hint`` is the way out. A driver's exception is always the ``__cause__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ApplicationError",
    "AuthenticationError",
    "CapabilityError",
    "CodecError",
    "ConfigurationError",
    "ConnectError",
    "DecodeError",
    "DisconnectedError",
    "EncodeError",
    "EndOfSubscription",
    "HandlerFailedError",
    "MessageTooLargeError",
    "NoRespondersError",
    "ParameterError",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PublishError",
    "PublishRefusedError",
    "QueueFullError",
    "RejectError",
    "RemoteError",
    "RequestError",
    "RequestTimeoutError",
    "ResourceError",
    "SignatureError",
    "SocketClosedError",
    "SpaError",
    "SubscribeError",
    "TopicError",
    "TransportError",
    "UnknownContentTypeError",
    "UnknownSchemeError",
    "UrlError",
]


class SpaError(Exception):
    """
    The root of every error SPA raises.

    Attributes:
        message: One sentence naming the culprit, without a final full stop.
        hint: The way out, or ``None`` where there is none to give.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigurationError(SpaError, ValueError):
    """Something is wrong before anything ran; nothing was opened or half applied."""


class UrlError(ConfigurationError):
    """
    A URL cannot be read.

    Attributes:
        url: The URL with its secrets redacted.
    """

    def __init__(self, message: str, *, url: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.url = url


class UnknownSchemeError(ConfigurationError):
    """
    No installed transport serves the URL's scheme.

    Attributes:
        scheme: The scheme that was asked for.
        installed: The schemes that are installed, sorted.
    """

    def __init__(self, message: str, *, scheme: str, installed: Sequence[str], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.scheme = scheme
        self.installed = tuple(installed)


class ParameterError(ConfigurationError):
    """
    A configuration parameter is unknown or its value cannot be used.

    Attributes:
        parameter: The name as it was given.
        allowed: The allowed names or values; empty where they cannot be listed.
        source: Where it came from, such as ``"the URL query"``.
    """

    def __init__(
        self, message: str, *, parameter: str, allowed: Sequence[str] = (), source: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.parameter = parameter
        self.allowed = tuple(allowed)
        self.source = source


class TopicError(ConfigurationError):
    """
    A topic, filter or template breaks a rule.

    Attributes:
        topic: The offending text.
        reason: The rule it breaks.
    """

    def __init__(self, message: str, *, topic: str, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.topic = topic
        self.reason = reason


class SignatureError(ConfigurationError):
    """
    A handler's signature cannot be satisfied.

    Attributes:
        handler: The handler's qualified name.
        parameter: The parameter that cannot be filled, or ``None`` if the handler as a whole is unusable.
    """

    def __init__(self, message: str, *, handler: str, parameter: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.handler = handler
        self.parameter = parameter


class CapabilityError(ConfigurationError):
    """
    The transport does not declare what was asked of it; refused before any I/O.

    Attributes:
        capability: The name of the missing field of ``Capabilities``.
        transport: The transport, secrets redacted.
    """

    def __init__(self, message: str, *, capability: str, transport: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.capability = capability
        self.transport = transport


class PluginError(SpaError):
    """
    A plugin stands in the way.

    Attributes:
        plugin: The entry point or plugin name.
    """

    def __init__(self, message: str, *, plugin: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.plugin = plugin


class PluginLoadError(PluginError):
    """
    A plugin was found but its import or registration failed; the cause is chained.

    Attributes:
        distribution: The distribution that declares it.
    """

    def __init__(self, message: str, *, plugin: str, distribution: str, hint: str | None = None) -> None:
        super().__init__(message, plugin=plugin, hint=hint)
        self.distribution = distribution


class PluginConflictError(PluginError):
    """
    Two distributions claim one name.

    Attributes:
        distributions: The distributions, sorted.
    """

    def __init__(self, message: str, *, plugin: str, distributions: Sequence[str], hint: str | None = None) -> None:
        super().__init__(message, plugin=plugin, hint=hint)
        self.distributions = tuple(distributions)


class CodecError(SpaError):
    """
    Something went wrong between bytes and objects.

    Attributes:
        content_type: The content type in question, or ``None`` if the message had none.
    """

    def __init__(self, message: str, *, content_type: str | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.content_type = content_type


class DecodeError(CodecError, ValueError):
    """A payload is not what its content type or the wanted type says."""


class EncodeError(CodecError, TypeError):
    """An object cannot be written in the content type."""


class UnknownContentTypeError(CodecError):
    """
    No codec is installed for a content type.

    Attributes:
        installed: The content types that are installed, sorted.
    """

    def __init__(
        self, message: str, *, content_type: str | None, installed: Sequence[str], hint: str | None = None
    ) -> None:
        super().__init__(message, content_type=content_type, hint=hint)
        self.installed = tuple(installed)


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


class EndOfSubscription(Exception):  # noqa: N818 - not a fault, like StopIteration
    """No further delivery will come: fetching was stopped or the subscription was closed."""
