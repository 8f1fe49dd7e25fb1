"""The face of an application: decorators that register handlers and producers, and the one call that runs them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from spa_core._application.applications import ProducerApplication
from spa_core._application.consumer import ConsumerApplication
from spa_core._application.health import health_of
from spa_core._application.runner import SHUTDOWN_TIMEOUT, Runner
from spa_core._application.unprovided import Unprovided, no_provider
from spa_core._discovery.factory import SocketProviderFactory
from spa_core._discovery.plugins import Plugins
from spa_core._messaging.provider import SocketProvider
from spa_core.url import Url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from spa_core._application.applications import AbstractApplication
    from spa_core._application.health import Health
    from spa_core._application.runner import Ending
    from spa_core._delivery.pipeline import Ordering
    from spa_core._delivery.policy import FailurePolicy
    from spa_core.config import TransportConfig
    from spa_core.envelopes import SocketConfig

__all__ = ["DistributedApplication"]

CallbackT = TypeVar("CallbackT", bound="Callable[..., Any]")


class DistributedApplication:
    """
    Applications that live in one process and talk over one message bus.

    Attributes:
        applications: The registered applications, in order; instances of subclasses may be appended before the start.
        default_socket_provider: What applications without a provider of their own use; ``None`` until one is given.

    Example:
        >>> from spa_core import SpaSocket
        >>> app = DistributedApplication("memory://readme")
        >>> @app.application("greetings/{language}")
        ... async def greet(name: str, language: str) -> None:
        ...     print(f"{language}: {name}")
        ...     app.stop()
        >>> @app.producer()
        ... async def send(socket: SpaSocket) -> None:
        ...     await socket.publish("greetings/en", "hello")
        >>> app.start()
        en: hello
    """

    def __init__(
        self,
        default_socket_provider: SocketProvider[Any] | TransportConfig | SocketConfig | Url | str | None = None,
        *,
        plugins: Iterable[object] = (),
        shutdown_timeout: float = SHUTDOWN_TIMEOUT,
    ) -> None:
        """
        Make an application; nothing is opened.

        Args:
            default_socket_provider: A URL, a transport's configuration, or a provider. ``None``: given later with
                :meth:`use_provider` (``spa run --url`` does), or to each application.
            plugins: Plugin objects or modules with hooks, beside the installed ones.
            shutdown_timeout: Seconds that running handlers get to finish when the application is stopped.

        Raises:
            ConfigurationError: The URL or configuration cannot be used.
            PluginError: A plugin cannot be used.
        """
        self._plugins = Plugins(plugins)
        self.applications: list[AbstractApplication] = []
        self.default_socket_provider: SocketProvider[Any] | None = None
        self.shutdown_timeout = shutdown_timeout
        self._runner: Runner | None = None
        self._on_default: list[AbstractApplication] = []
        if default_socket_provider is not None:
            self.use_provider(default_socket_provider)

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
            "resources": {**(ressources or {}), **(resources or {})},
            "client_id": client_id,
            "client_name": client_name,
            "state": state,
        }

        def register(callback: CallbackT) -> CallbackT:
            self._register(partial(ConsumerApplication, callback, **options), socket_provider)
            return callback

        return register

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
            "resources": {**(ressources or {}), **(resources or {})},
            "client_id": client_id,
            "client_name": client_name,
            "state": state,
        }

        def register(callback: CallbackT) -> CallbackT:
            self._register(partial(ProducerApplication, callback, **options), socket_provider)
            return callback

        return register

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

    def start(self, *, backend: str = "asyncio", handle_signals: bool = True) -> None:
        """
        Run until every producer has finished and there is no handler, until stopped, or until something fails; blocks.

        SIGTERM or SIGINT drains: nothing more is fetched, running handlers finish (at most ``shutdown_timeout``
        seconds), everything is closed. A second signal cancels handlers; their messages are given back.

        Args:
            backend: ``"asyncio"``, or ``"trio"`` where the transport runs on it.
            handle_signals: Whether to react to SIGTERM and SIGINT (in the main thread only).

        Raises:
            Exception: As :meth:`start_async`.
        """
        anyio.run(partial(self.start_async, handle_signals=handle_signals), backend=backend)

    async def start_async(self, *, handle_signals: bool = True) -> None:
        """
        Do what :meth:`start` does in a running event loop.

        Raises:
            ConfigurationError: Something cannot work, or a part has no provider; nothing was opened.
            Exception: What a handler or producer failed with for good, after all others were drained.
        """
        if self._runner is not None:
            message = "the application is running already"
            raise RuntimeError(message)
        if self._on_default and self.default_socket_provider is None:
            raise no_provider()
        self._runner = Runner(
            self.applications,
            plugins=self._plugins,
            shutdown_timeout=self.shutdown_timeout,
            handle_signals=handle_signals,
        )
        try:
            await self._runner.run()
        finally:
            self.ending = self._runner.ending
            self._runner = None

    def stop(self) -> None:
        """Begin to drain, as the first signal does; called from the event loop, for example by a handler."""
        if self._runner is not None:
            self._runner.stop()

    def health(self) -> Health:
        """Return a snapshot of how every application is."""
        return health_of(self.applications)

    ending: Ending | None = None
    """How the last run ended: ``"finished"``, ``"drained"``, ``"timed-out"`` or ``"forced"``."""

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
