"""
SPA: distributed applications in Python, independent of their message broker.

This module only hands names on. Write applications with :class:`DistributedApplication`, talk to a bus with
:class:`SocketProviderFactory` and :class:`SpaSocket`; write transports against :mod:`spa_core.transport`, plugins
against :mod:`spa_core.hookspecs`; catch what :mod:`spa_core.errors` draws.
"""

from __future__ import annotations

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
