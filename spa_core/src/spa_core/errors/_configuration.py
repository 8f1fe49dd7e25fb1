"""What is found wrong before anything ran: configurations, and the plugins they lead to; knows nothing of I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.errors._base import SpaError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CapabilityError",
    "ConfigurationError",
    "ParameterError",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "SignatureError",
    "TopicError",
    "UnknownSchemeError",
    "UrlError",
]


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
