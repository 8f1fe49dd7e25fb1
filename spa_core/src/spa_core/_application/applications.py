"""
The applications: one callback, one socket, and what it needs while it runs.

The order of a life has been the same since the origin: ``setup``, the socket, the resources, ``run_async``,
``teardown``, then everything is closed in reverse. How several applications live and die together is the runner's
business.
"""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import anyio

from spa_core._application.binding import callable_handler, constant_arguments
from spa_core._application.notices import Notices
from spa_core._application.origin import origin_arguments
from spa_core._application.resources import entered
from spa_core._application.runner import Runner
from spa_core._application.signature import RESERVED, Signature, handler_name, read_signature
from spa_core._failures import described, is_stray
from spa_core._groups import collapsing
from spa_core._messaging.builder import MessageBuilder
from spa_core._messaging.socket import SpaSocket
from spa_core.errors import ApplicationError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from anyio.abc import TaskStatus

    from spa_core._application.observer import Observer
    from spa_core._delivery.progress import Progress
    from spa_core._discovery.plugins import Plugins
    from spa_core._messaging.provider import SocketProvider

__all__ = ["AbstractApplication", "ProducerApplication", "State"]

State = Literal["new", "starting", "running", "draining", "stopped", "failed"]
"""Where an application is in its life."""


class AbstractApplication:
    """
    One part of a distributed application; subclasses say in :meth:`run_async` what it does.

    Attributes:
        callback: The handler or producer function.
        socket_provider: What its socket is made of.
        state: The object the callback gets as ``state``.
        resources: Context managers by name; the callback gets their entered values.
        socket: Its socket, from :meth:`setup` on.
        name: Its readable name: ``client_name``, or the callback's name.
        status: Where it is in its life.
        observer: Watches it from the next start on; ``None`` if nobody does.
    """

    def __init__(
        self,
        async_callback: Callable[..., Any],
        socket_provider: SocketProvider[Any],
        *positional: Any,
        message_builder: Callable[..., Any] | None = None,
        state: Any = None,  # noqa: ANN401 - the user's object
        ressources: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_name: str | None = None,
    ) -> None:
        """
        Make an application; nothing is opened.

        Args:
            async_callback: The handler or producer; a coroutine function, or a plain one (run in a worker thread).
            socket_provider: What its socket is made of.
            *positional: ``state, ressources`` as in the origin's 0.3, or ``message_builder, state, ressources`` as in
                its 0.4.
            message_builder: Given to the callback instead of one that carries this application's identity.
            state: Given to the callback as it is.
            ressources: The origin's spelling of *resources*.
            resources: Context managers (or functions that make one) by name.
            client_id: The id that published messages carry.
            client_name: The readable name that published messages carry.

        Raises:
            SignatureError: The callback asks for what it cannot get.
            ConfigurationError: A resource has a reserved name.
        """
        given = origin_arguments(
            positional, {"message_builder": message_builder, "state": state, "ressources": ressources}
        )
        self.callback = async_callback
        self.socket_provider = socket_provider
        self.state = given["state"]
        self.name = client_name or handler_name(async_callback)
        self.resources = _merged(resources, given["ressources"], self.name)
        self.client_id = client_id
        self.client_name = client_name
        self.status: State = "new"
        self.socket: SpaSocket | None = None
        self.notices = Notices()
        self.observer: Observer | None = None
        self._builder: Callable[..., Any] | None = given["message_builder"]
        self._entered: dict[str, Any] | None = None
        self._run_scope: anyio.CancelScope | None = None

    @property
    def ressources(self) -> dict[str, Any]:
        """What the callback gets by name: the entered values of :attr:`resources` while they are open, else these."""
        return self.resources if self._entered is None else self._entered

    @ressources.setter
    def ressources(self, resources: Mapping[str, Any]) -> None:
        self.resources = _merged(resources, None, self.name)

    @property
    def message_builder(self) -> Callable[..., Any]:
        """Makes messages that carry this application's identity; can be replaced."""
        if self._builder is not None:
            return self._builder
        if self.socket is not None:
            return self.socket.message_builder
        return MessageBuilder(self.socket_provider.codecs, client_id=self.client_id, client_name=self.name)

    @message_builder.setter
    def message_builder(self, builder: Callable[..., Any] | None) -> None:
        self._builder = builder

    @property
    def progress(self) -> Progress | None:
        """What it has done with its messages; ``None`` for an application that handles none."""
        return None

    def setup(self) -> Awaitable[None] | None:
        """Make the socket; an overriding method, which may be a coroutine, calls it with ``super()``."""
        self.socket = self.create_socket()
        return None

    def teardown(self) -> Awaitable[None] | None:
        """Clean up; called on every way out, while socket and resources are still open. May be a coroutine."""
        return None

    async def run_async(self) -> None:
        """Do what the application is for; socket and resources are open."""
        message = f"{type(self).__name__} must override run_async()"
        raise TypeError(message)

    def start(self, *, backend: str = "asyncio") -> None:
        """
        Run this application alone until it ends; blocks.

        Args:
            backend: ``"asyncio"``, or ``"trio"`` where the transport runs on it.
        """
        anyio.run(self.start_async, backend=backend)

    async def start_async(self) -> None:
        """Run this application alone until it ends, is drained by a signal, or fails."""
        await Runner([self]).run()

    def check(self) -> None:
        """
        Refuse what cannot work, before anything is opened.

        Raises:
            CapabilityError: The transport does not declare what this application asks for.
        """

    def create_socket(self) -> SpaSocket:
        """Make a socket with this application's identity and the hooks of its plugins."""
        return SpaSocket(
            self.socket_provider,
            client_id=self.client_id,
            client_name=self.client_name or self.socket_provider.config.client_name or self.name,
            before_publish=self.notices.before_publish(self),
            on_connection=self.notices.on_connection(self),
        )

    def use_provider(self, provider: SocketProvider[Any]) -> None:
        """Take the socket from *provider* from the next start on."""
        self.socket_provider = provider

    def use_plugins(self, plugins: Plugins) -> None:
        """Tell the lifecycle hooks of *plugins* about this application from now on."""
        self.notices = Notices(plugins)

    async def live(self, go: anyio.Event, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """
        Live from setup to teardown.

        Args:
            go: Awaited when everything is open, so that no application publishes before all are subscribed.
            task_status: Told when everything is open.
        """
        self._change_status("starting")
        try:
            with collapsing():
                async with self._opened():
                    await self._run(go, task_status)
        except Exception:
            self._change_status("failed")
            raise
        except BaseException:
            self._change_status("stopped")
            raise
        self._change_status("stopped")

    async def _run(self, go: anyio.Event, task_status: TaskStatus[None]) -> None:
        try:
            with anyio.CancelScope() as self._run_scope:
                task_status.started()
                await go.wait()
                self._change_status("running")
                await self.run_async()
        except BaseException as error:
            if is_stray(error):
                # Let through, it would end this task as if somebody had wanted that, and nobody would hear of it.
                text = f"{self.name} failed with {described(error)}, which nobody asked it for"
                raise ApplicationError(text, application=self.name) from error
            raise
        finally:
            self._run_scope = None

    async def drain(self) -> None:
        """Begin to stop: take no new work. A consumer finishes its messages; anything else is cancelled."""
        self.cancel()

    def cancel(self) -> None:
        """Stop :meth:`run_async` now; unsettled messages are given back to the broker."""
        if self._run_scope is not None:
            self._run_scope.cancel()

    async def begin_draining(self) -> None:
        """Drain it if it is at work: not if it has not begun, and not if it is closing already."""
        if self.status == "running" and self._run_scope is not None:
            self._change_status("draining")
            await self.drain()

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for lifespan in self.notices.lifespans(self):
                await stack.enter_async_context(lifespan)
            await _finish(self.setup())
            self.socket = await stack.enter_async_context(self.socket or self.create_socket())
            self._entered = await stack.enter_async_context(entered(self.resources, application=self.name))
            stack.callback(self._forget_entered)
            stack.push_async_callback(self._torn_down)
            yield

    async def _torn_down(self) -> None:
        await _finish(self.teardown())

    def _forget_entered(self) -> None:
        self._entered = None

    def _constants(self, signature: Signature) -> dict[str, Any]:
        return constant_arguments(
            signature,
            socket=self._live_socket(),
            state=self.state,
            builder=self.message_builder,
            resources=self.ressources,
        )

    def _observed(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        return call if self.observer is None else self.observer.observed(self, call)

    def _live_socket(self) -> SpaSocket:
        if self.socket is None:
            message = f"{self.name} has no socket: setup() was not called"
            raise RuntimeError(message)
        return self.socket

    def _change_status(self, status: State) -> None:
        self.status = status
        self.notices.state(self, status)
        if self.observer is not None:
            self.observer.changed(self)


class ProducerApplication(AbstractApplication):
    """An application that runs its callback once and ends with it. It listens to nothing unless the callback does."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        """Make a producer; the arguments are those of :class:`AbstractApplication`."""
        super().__init__(*args, **keywords)
        self.use_provider(self.socket_provider)
        self._signature = read_signature(self.callback, resources=self.resources, levels=(), has_message=False)

    def use_provider(self, provider: SocketProvider[Any]) -> None:
        """Take the socket from *provider* from now on, without its default topics: nobody would read their messages."""
        self.socket_provider = provider.overwrite_config(topics=())

    async def run_async(self) -> None:
        """Run the callback once."""
        call = self._observed(callable_handler(self.callback, is_async=self._signature.is_async, threads=1))
        await call(**self._constants(self._signature))


async def _finish(result: Awaitable[None] | None) -> None:
    """Await what a method returned if it was a coroutine: the origin's ``setup`` and ``teardown`` are plain methods."""
    if inspect.isawaitable(result):
        await result


def _merged(resources: Mapping[str, Any] | None, ressources: Mapping[str, Any] | None, owner: str) -> dict[str, Any]:
    merged = {**(ressources or {}), **(resources or {})}
    for name in merged:
        if name in RESERVED:
            message = f"{owner} has a resource called {name!r}, which handlers get something else by"
            raise ConfigurationError(message, hint=f"Reserved are: {', '.join(RESERVED)}")
    return merged
