"""
Every hook a plugin may implement.

A plugin is a module or an object with functions marked by :data:`hookimpl`. Three kinds of hooks:

* **socket providers** (``spa_socket_provider``, ``spa_socket_provider_for_config``): entry points
  ``spa_core.transports``, named after a URL scheme; only the entry of the wanted scheme is loaded;
* **codecs** (``spa_codecs``): entry points ``spa_core.codecs``, named after a media subtype; loaded when it is met;
* **lifecycle** (all others): entry points ``spa_core.plugins``; loaded when an application starts (the environment
  variables ``SPA_PLUGINS`` and ``SPA_BLOCK_PLUGINS``, comma-separated names, narrow that), or given to
  ``DistributedApplication(plugins=[...])``.

An implementation is a plain function, no coroutine, and does not wrap others in lifecycle hooks; it may leave out
parameters it does not need. Hooks called for each message are looked up once, when the application starts, and cost
nothing when nobody implements them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    import click

    from spa_core._application.applications import AbstractApplication
    from spa_core._messaging.provider import SocketProvider
    from spa_core.codecs import Codec
    from spa_core.config import TransportConfig
    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionEvent, Outcome
    from spa_core.url import Url

__all__ = [
    "hookimpl",
    "hookspec",
    "spa_application_lifespan",
    "spa_application_state",
    "spa_before_publish",
    "spa_codecs",
    "spa_connection_changed",
    "spa_message_settled",
    "spa_register_commands",
    "spa_socket_provider",
    "spa_socket_provider_for_config",
]

PROJECT: Final = "spa_core"

hookspec: Final[pluggy.HookspecMarker] = pluggy.HookspecMarker(PROJECT)
"""Marks the specifications in this file."""

hookimpl: Final[pluggy.HookimplMarker] = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's implementation of a hook."""


@hookspec(firstresult=True)
def spa_socket_provider(url: Url) -> SocketProvider[Any] | None:
    """
    Make the provider for a URL.

    Called once by ``SocketProviderFactory.from_url``, on the plugin whose entry point is named after the URL's scheme.
    The first answer that is not ``None`` wins. No I/O; import the broker client here or later, not with the plugin.

    Args:
        url: The parsed URL.

    Returns:
        The provider, or ``None`` if this plugin does not serve the URL's scheme.

    Errors:
        Whatever is raised reaches the caller of ``from_url``; raise a ``ConfigurationError`` for bad parameters.
    """


@hookspec(firstresult=True)
def spa_socket_provider_for_config(config: TransportConfig) -> SocketProvider[Any] | None:
    """
    Make the provider for a typed configuration.

    Called by ``SocketProviderFactory.from_config``, on each installed transport whose distribution defines the type of
    *config*, until one answers with something other than ``None``. No I/O.

    Args:
        config: The configuration.

    Returns:
        The provider, or ``None`` if the configuration belongs to another transport.

    Errors:
        Whatever is raised reaches the caller of ``from_config``.
    """


@hookspec
def spa_codecs() -> Sequence[Codec]:  # type: ignore[empty-body]  # a specification
    """
    Offer codecs.

    Called once when a content type is met whose subtype is the name of the plugin's entry point, and at application
    start for plugins given in code. A codec for a built-in content type replaces the built-in one.

    Returns:
        The codecs, in order of preference.

    Errors:
        Two plugins that claim one content type raise ``PluginConflictError`` naming both.
    """


@hookspec
def spa_application_lifespan(application: AbstractApplication) -> AbstractAsyncContextManager[None] | None:
    """
    Surround an application's life with a context manager.

    Called once for each application when it starts. The manager is entered before the application's socket connects
    and left, in reverse order of the plugins, after the socket was closed, on every way out.

    Args:
        application: The application that starts.

    Returns:
        An async context manager, or ``None`` to take no part. Managers rather than coroutines, because a failure in one
        must still let those entered before leave.

    Errors:
        An error on entering stops the start; an error on leaving is raised after everything else was closed.
    """


@hookspec
def spa_application_state(application: AbstractApplication, state: str) -> None:
    """
    Notice that an application's state changed.

    Called from the event loop right after the change, with ``"starting"``, ``"running"``, ``"draining"``,
    ``"stopped"`` or ``"failed"``. All implementations are called. Must not block.

    Args:
        application: The application.
        state: The new state.

    Errors:
        Logged and ignored: a notification never stops an application.
    """


@hookspec
def spa_connection_changed(application: AbstractApplication, event: ConnectionEvent) -> None:
    """
    Notice that the connection of an application's socket changed.

    Called from the event loop at each change. All implementations are called. Must not block.

    Args:
        application: The application whose socket it is.
        event: The new state and why.

    Errors:
        Logged and ignored.
    """


@hookspec
def spa_message_settled(
    application: AbstractApplication, message: SpaMessage, outcome: Outcome, seconds: float
) -> None:
    """
    Notice that a message was settled.

    Called from the event loop after each settlement that took effect. All implementations are called. Must not block.

    Args:
        application: The application that handled it.
        message: The message as it was received.
        outcome: ``Ack``, ``Retry`` or ``Reject``.
        seconds: From the start of its first attempt here to its settlement.

    Errors:
        Logged and ignored.
    """


@hookspec
def spa_before_publish(application: AbstractApplication, message: SpaMessage) -> SpaMessage | None:
    """
    Change a message before it is published, for example to add a header.

    Called from the event loop for each message an application publishes, requests and replies included, in the order of
    registration (last registered first); each implementation sees what the one before returned. Must not block.

    Args:
        application: The application that publishes.
        message: The message as it would go out.

    Returns:
        The changed message, or ``None`` to leave it as it is.

    Errors:
        Raised to the publisher; the message is not sent.
    """


@hookspec
def spa_register_commands(cli: click.Group) -> None:
    """
    Add commands to the ``spa`` command line.

    Called once for each installed plugin of ``spa_core.plugins``, when ``spa`` is asked for a command that is not
    built in, or lists its commands in ``spa --help``. A built-in command loads no plugin for this, and none can replace
    a built-in command.

    Args:
        cli: The group to add commands to.

    Errors:
        Reported on standard error, as is a plugin that cannot be imported; all other commands go on working. A
        ``SpaError`` that a command itself raises ends ``spa`` with one line and exit code 1 (2 for a
        ``ConfigurationError`` or a ``PluginError``).
    """
