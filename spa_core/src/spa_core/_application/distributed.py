"""The face of an application: the one call that runs what was registered, and what can be asked while it runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from spa_core._application.health import health_of
from spa_core._application.registrations import Registrations
from spa_core._application.runner import SHUTDOWN_TIMEOUT, Runner
from spa_core._application.unprovided import no_provider
from spa_core._discovery.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from spa_core._application.applications import AbstractApplication
    from spa_core._application.health import Health
    from spa_core._application.runner import Ending
    from spa_core._messaging.provider import SocketProvider
    from spa_core.config import TransportConfig
    from spa_core.envelopes import SocketConfig
    from spa_core.testing.faults import FaultSchedule
    from spa_core.testing.harness import ApplicationTest
    from spa_core.url import Url

__all__ = ["DistributedApplication"]


class DistributedApplication(Registrations):
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
        super().__init__(Plugins(plugins))
        self.shutdown_timeout = shutdown_timeout
        self._runner: Runner | None = None
        if default_socket_provider is not None:
            self.use_provider(default_socket_provider)

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
        if self._on_default and self.default_socket_provider is None:
            raise no_provider()
        await self._run(self.applications, handle_signals=handle_signals)

    async def _run(self, applications: Sequence[AbstractApplication], *, handle_signals: bool) -> None:
        if self._runner is not None:
            message = "the application is running already"
            raise RuntimeError(message)
        self._runner = Runner(
            applications,
            plugins=self._plugins,
            shutdown_timeout=self.shutdown_timeout,
            handle_signals=handle_signals,
        )
        try:
            await self._runner.run()
        finally:
            self.ending = self._runner.ending
            self._runner = None

    def test(
        self, *, producers: bool = True, raise_errors: bool = True, faults: FaultSchedule | None = None
    ) -> AbstractAsyncContextManager[ApplicationTest]:
        """
        Run this application in memory while the context is open, for tests: the real handlers, policies and resources.

        Every provider is exchanged for one private in-memory broker, with its own topics, group, codecs and envelope,
        and comes back afterwards. On entering everything is subscribed; on leaving the application is drained.

        Args:
            producers: Whether producers run. One that never ends would never let ``settle()`` return.
            raise_errors: Whether ``settle()`` and the end of the block raise the first error that no attempt of a
                handler got over, although its message became a dead letter. ``RejectError`` is an outcome, no error.
            faults: What goes wrong with which published message.

        Raises:
            UnknownSchemeError: The in-memory transport is not installed.
            RuntimeError: On entering: the application runs already.
            Exception: On entering, as :meth:`start_async`.

        Example:
            >>> from spa_core import SpaSocket
            >>> app = DistributedApplication()
            >>> @app.application("plants/{plant}/flow")
            ... async def watch(litres: float, plant: str, socket: SpaSocket) -> None:
            ...     await socket.publish(f"alarms/{plant}", f"{litres} l")
            >>> async def test_alarm() -> None:
            ...     async with app.test() as t:
            ...         await t.publish("plants/7/flow", 98.6)
            ...         await t.settle()
            ...         assert [message.payload for message in t.published("alarms/#")] == [b"98.6 l"]
            >>> anyio.run(test_alarm)
        """
        from spa_core.testing.harness import application_test  # noqa: PLC0415 - an application at work needs no test

        return application_test(
            self, self._run, plugins=self._plugins, producers=producers, raise_errors=raise_errors, faults=faults
        )

    def stop(self) -> None:
        """Begin to drain, as the first signal does; called from the event loop, or by any handler, a plain one too."""
        if self._runner is not None:
            self._runner.stop()

    def health(self) -> Health:
        """Return a snapshot of how every application is."""
        return health_of(self.applications)

    ending: Ending | None = None
    """How the last run ended: ``"finished"``, ``"drained"``, ``"timed-out"`` or ``"forced"``."""
