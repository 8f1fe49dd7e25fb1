"""
The registrations of an application: which functions are handlers and producers, and what their sockets are made of.

How they run is no matter here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from spa_core._application.applications import ProducerApplication
from spa_core._application.consumer import ConsumerApplication
from spa_core._application.unprovided import Unprovided
from spa_core._discovery.factory import SocketProviderFactory
from spa_core._messaging.provider import SocketProvider
from spa_core.url import Url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from spa_core._application.applications import AbstractApplication
    from spa_core._delivery.pipeline import Ordering
    from spa_core._delivery.policy import FailurePolicy
    from spa_core._discovery.plugins import Plugins
    from spa_core.config import TransportConfig
    from spa_core.envelopes import SocketConfig

__all__ = ["Registrations"]

CallbackT = TypeVar("CallbackT", bound="Callable[..., Any]")


class Registrations:
    """
    Handlers and producers, in order of registration.

    Args:
        plugins: Where transports and codecs are found.

    Attributes:
        applications: What was registered; instances of subclasses may be appended before the start.
        default_socket_provider: What applications without a provider of their own use; ``None`` until one is given.
    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self.applications: list[AbstractApplication] = []
        self.default_socket_provider: SocketProvider[Any] | None = None
        self._on_default: list[AbstractApplication] = []

    def use_provider(self, provider: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str) -> None:
        """
        Make every application that has no provider of its own use this one from its next start.

        Raises:
            ConfigurationError: The URL or configuration cannot be used; nothing was changed.
        """
        made = self._provider(provider)
        for application in self._on_default:
            application.use_provider(made)
        self.default_socket_provider = made

    def application(
        self,
        topics: str | Iterable[str],
        *,
        socket_provider: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str | None = None,
        state: Any = None,  # noqa: ANN401 - the user's object
        resources: Mapping[str, Any] | None = None,
        ressources: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_name: str | None = None,
        group: str | None = None,
        concurrency: int = 1,
        ordering: Ordering = "key",
        policy: FailurePolicy | None = None,
    ) -> Callable[[CallbackT], CallbackT]:
        """
        Register a handler for the messages of some topics; the function itself stays as it is.

        The handler is a coroutine function, or a plain function, which runs in a worker thread. Its parameters are
        filled by name (``message``, ``socket``, ``state``, ``message_builder``, resources, template parameters) or
        annotation; one further parameter gets the decoded payload. What it returns answers the message, if that asks
        for a reply.

        Args:
            topics: Exact topics, filters (``plants/+/flow``) or templates (``plants/{plant}/flow``).
            socket_provider: Instead of the default one.
            state: Given to the handler as it is.
            resources: Context managers (or functions that make one) by name.
            ressources: The origin's spelling of *resources*.
            client_id: The id that published messages carry; random if ``None``.
            client_name: The readable name that published messages carry; the handler's name if ``None``.
            group: Instances of one group share the messages; ``None``: every instance gets all of them.
            concurrency: Handlers that may run at once.
            ordering: With several at once: messages of one ``"key"`` or of one ``"topic"`` never overtake each other,
                or ``"none"``.
            policy: What happens to messages whose handler fails.

        Raises:
            SignatureError: The handler asks for what it cannot get.
            TopicError: A topic is not valid.
            ConfigurationError: Another argument cannot be used.
        """
        options = {
            "topics": topics,
            "group": group,
            "concurrency": concurrency,
            "ordering": ordering,
            "policy": policy,
            "resources": resources,
            "ressources": ressources,
            "client_id": client_id,
            "client_name": client_name,
            "state": state,
        }
        return self._decorator(ConsumerApplication, options, socket_provider)

    def producer(
        self,
        *,
        socket_provider: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str | None = None,
        state: Any = None,  # noqa: ANN401 - the user's object
        resources: Mapping[str, Any] | None = None,
        ressources: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_name: str | None = None,
    ) -> Callable[[CallbackT], CallbackT]:
        """
        Register a function that runs once, when every handler is subscribed; the function itself stays as it is.

        Args:
            socket_provider: Instead of the default one.
            state: Given to the function as it is.
            resources: Context managers (or functions that make one) by name.
            ressources: The origin's spelling of *resources*.
            client_id: The id that published messages carry; random if ``None``.
            client_name: The readable name that published messages carry; the function's name if ``None``.

        Raises:
            SignatureError: The function asks for what it cannot get.
            ConfigurationError: Another argument cannot be used.
        """
        options = {
            "resources": resources,
            "ressources": ressources,
            "client_id": client_id,
            "client_name": client_name,
            "state": state,
        }
        return self._decorator(ProducerApplication, options, socket_provider)

    def add_application(
        self,
        async_consumer_callback: Callable[..., Any],
        socket_provider: SocketProvider[Any] | None = None,
        *args: Any,
        **keywords: Any,
    ) -> None:
        """
        Register a handler whose topics are its provider's default topics, as the origin's programs do.

        Args:
            async_consumer_callback: The handler.
            socket_provider: Its provider; the default one if ``None``.
            *args: ``state, ressources`` as in the origin's 0.3, or ``message_builder, state, ressources`` as in 0.4.
            **keywords: The same by name, and every option of :meth:`application`.
        """
        self._register(
            lambda provider: ConsumerApplication(async_consumer_callback, provider, *args, **keywords), socket_provider
        )

    def add_producer_application(
        self,
        async_producer_callback: Callable[..., Any],
        socket_provider: SocketProvider[Any] | None = None,
        *args: Any,
        **keywords: Any,
    ) -> None:
        """
        Register a function that runs once.

        Args:
            async_producer_callback: The function.
            socket_provider: Its provider; the default one if ``None``.
            *args: As :meth:`add_application`.
            **keywords: As :meth:`add_application`, without the options of handlers.
        """
        self._register(
            lambda provider: ProducerApplication(async_producer_callback, provider, *args, **keywords), socket_provider
        )

    def _decorator(
        self,
        kind: type[ConsumerApplication | ProducerApplication],
        options: dict[str, Any],
        provider: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str | None,
    ) -> Callable[[CallbackT], CallbackT]:
        def register(callback: CallbackT) -> CallbackT:
            self._register(partial(kind, callback, **options), provider)
            return callback

        return register

    def _register(
        self,
        make: Callable[[SocketProvider[Any]], AbstractApplication],
        provider: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str | None,
    ) -> None:
        own = None if provider is None else self._provider(provider)
        application = make(own or self.default_socket_provider or Unprovided())
        self.applications.append(application)
        if own is None:
            self._on_default.append(application)

    def _provider(self, given: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str) -> SocketProvider[Any]:
        if isinstance(given, SocketProvider):
            return given
        if isinstance(given, (str, Url)):
            return SocketProviderFactory.from_url(given, plugins=self._plugins)
        return SocketProviderFactory.from_config(given, plugins=self._plugins)
