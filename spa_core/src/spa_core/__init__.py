"""
SPA: distributed applications in Python, independent of their message broker.

This module only hands names on, and imports what a name stands for when it is asked for: whoever needs one part, such
as the command line, does not wait for the others. Write applications with :class:`DistributedApplication`, talk to a
bus with :class:`SocketProviderFactory` and :class:`SpaSocket`; write transports against :mod:`spa_core.transport`,
plugins against :mod:`spa_core.hookspecs`; catch what :mod:`spa_core.errors` draws.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spa_core._application.applications import AbstractApplication, ProducerApplication
    from spa_core._application.consumer import ConsumerApplication
    from spa_core._application.distributed import DistributedApplication
    from spa_core._application.health import ApplicationHealth, Health, RunningHandler
    from spa_core._application.lifecycle import ApplicationLifeCycle
    from spa_core._delivery.policy import FailurePolicy
    from spa_core._delivery.progress import Counts
    from spa_core._discovery.factory import SocketProviderFactory
    from spa_core._messaging.builder import MessageBuilder
    from spa_core._messaging.provider import SocketProvider
    from spa_core._messaging.socket import SpaSocket
    from spa_core.config import TransportConfig
    from spa_core.envelopes import PayloadFormat, SocketConfig
    from spa_core.errors import RejectError, SpaError
    from spa_core.hookspecs import hookimpl
    from spa_core.message import SpaMessage
    from spa_core.url import Secret, Url

__all__ = [
    "AbstractApplication",
    "ApplicationHealth",
    "ApplicationLifeCycle",
    "ConsumerApplication",
    "Counts",
    "DistributedApplication",
    "FailurePolicy",
    "Health",
    "MessageBuilder",
    "PayloadFormat",
    "ProducerApplication",
    "RejectError",
    "RunningHandler",
    "Secret",
    "SocketConfig",
    "SocketProvider",
    "SocketProviderFactory",
    "SpaError",
    "SpaMessage",
    "SpaSocket",
    "TransportConfig",
    "Url",
    "hookimpl",
]

_HOMES = {
    "AbstractApplication": "spa_core._application.applications",
    "ApplicationHealth": "spa_core._application.health",
    "ApplicationLifeCycle": "spa_core._application.lifecycle",
    "ConsumerApplication": "spa_core._application.consumer",
    "Counts": "spa_core._delivery.progress",
    "DistributedApplication": "spa_core._application.distributed",
    "FailurePolicy": "spa_core._delivery.policy",
    "Health": "spa_core._application.health",
    "MessageBuilder": "spa_core._messaging.builder",
    "PayloadFormat": "spa_core.envelopes",
    "ProducerApplication": "spa_core._application.applications",
    "RejectError": "spa_core.errors",
    "RunningHandler": "spa_core._application.health",
    "Secret": "spa_core.url",
    "SocketConfig": "spa_core.envelopes",
    "SocketProvider": "spa_core._messaging.provider",
    "SocketProviderFactory": "spa_core._discovery.factory",
    "SpaError": "spa_core.errors",
    "SpaMessage": "spa_core.message",
    "SpaSocket": "spa_core._messaging.socket",
    "TransportConfig": "spa_core.config",
    "Url": "spa_core.url",
    "hookimpl": "spa_core.hookspecs",
}
_MODULES = ("codecs", "config", "envelopes", "errors", "hookspecs", "message", "topics", "transport", "url")

if not TYPE_CHECKING:  # type checkers see the imports above, and tell a name that does not exist

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        """Import what a public name stands for, once."""
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=import_module(__name__))
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
