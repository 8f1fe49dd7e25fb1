"""
The whole of an application run in memory for a test; what ``DistributedApplication.test()`` gives.

A test publishes, waits until everything that comes of it is done, and looks at what was published. Whether everything
is done is counted, never timed: by the broker's messages, the producers that run, and the state of the run itself.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from spa_core import ProducerApplication
from spa_core._application.health import health_of
from spa_core._delivery.dead_letters import ORIGIN
from spa_core._suggest import did_you_mean
from spa_core.errors import ConfigurationError
from spa_core.testing._exchange import PrivateBroker
from spa_core.testing._live_run import LiveRun
from spa_core.testing._observation import HandlerCall
from spa_core.topics import TopicTemplate, matches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Unpack

    from spa_core import DistributedApplication, Health, SpaMessage
    from spa_core._discovery.plugins import Plugins
    from spa_core._messaging.builder import MessageFields
    from spa_core.testing._live_run import Start
    from spa_core.testing.faults import FaultSchedule

__all__ = ["ApplicationTest", "HandlerCall", "application_test"]

T = TypeVar("T")


class ApplicationTest:
    """
    An application under test, running in memory; made by ``DistributedApplication.test()``.

    What the test itself publishes goes out under the client name ``"test"``.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run = run

    async def publish(self, message: SpaMessage | str, value: object = b"", **fields: Unpack[MessageFields]) -> None:
        """
        Publish a message, or a value to a topic, as ``SpaSocket.publish`` does; no handler's failure is raised here.

        Raises:
            SocketClosedError: The application has ended.
            PublishError: The message was not accepted, which happens here only by a fault of the schedule.
        """
        await self._run.socket.publish(message, value, **fields)

    async def request(
        self,
        message: SpaMessage | str,
        value: object = b"",
        *,
        timeout: float | None = None,
        **fields: Unpack[MessageFields],
    ) -> SpaMessage:
        """
        Publish a request and return its reply, as ``SpaSocket.request`` does; *timeout* is in seconds.

        Raises:
            NoRespondersError: No handler listens on the topic.
            RemoteError: The handler failed.
            RequestTimeoutError: Nobody answered in time.
        """
        return await self._run.socket.request(message, value, timeout=timeout, **fields)

    async def settle(self) -> None:
        """
        Wait until nothing is left to run, however long that takes; no timer says when.

        Nothing is left when no message waits for a handler, is being handled, or is kept for a later attempt; when no
        producer runs; and when an application that is being stopped has ended. Tasks that a handler or a resource
        starts for itself are not seen. Under :func:`~spa_core.testing.clock.virtual_time` pauses take no time, and
        waiting for what can never happen is a ``DeadlockError``.

        Raises:
            Exception: What the application ended with, as from its start; or, unless ``raise_errors=False``, what
                :meth:`raise_failures` raises.
        """
        await self._run.until_settled()
        self._run.raise_what_happened()

    def published(self, topics: str = "#") -> list[SpaMessage]:
        """
        Return what anybody published to matching topics, in the order of the calls: handlers, producers and the test.

        Args:
            topics: A topic, a filter, or a template such as ``"plants/{plant}/flow"``. ``"#"`` matches no topic that
                begins with ``$``, where replies go.

        Raises:
            TopicError: *topics* is not valid.
        """
        topic_filter = TopicTemplate(topics).filter
        return [message for message in self._run.broker.published if matches(topic_filter, message.topic)]

    @property
    def dead_letters(self) -> list[SpaMessage]:
        """The dead letters so far, in order; their headers say what happened."""
        return [message for message in self._run.broker.published if ORIGIN in message.headers]

    def calls(self, handler: Callable[..., Any]) -> list[HandlerCall]:
        """
        Return the calls of a handler or producer, each attempt by itself, in the order they began.

        Raises:
            ConfigurationError: *handler* is none of this application's.
        """
        handlers = {application.name: application.callback for application in self._run.applications}
        if handler not in handlers.values():
            name = getattr(handler, "__name__", repr(handler))
            text = f"{name} is no handler of this application; there are: {', '.join(handlers) or 'none'}"
            raise ConfigurationError(text, hint=did_you_mean(name, handlers))
        return self._run.observation.calls_of(handler)

    def health(self) -> Health:
        """Return a snapshot of how every application is."""
        return health_of(self._run.applications)

    def decode(self, message: SpaMessage, wanted: type[T]) -> T:
        """
        Decode a message's payload by its content type, as ``SpaSocket.decode`` does.

        Raises:
            DecodeError: The payload is not of that type.
        """
        return self._run.socket.decode(message, wanted)

    def raise_failures(self) -> None:
        """
        Raise the first error since the last call that no attempt of a handler got over; do nothing if there is none.

        Such a message was dead-lettered or dropped. One refused with ``RejectError`` is not meant.
        """
        self._run.observation.raise_failures()


@asynccontextmanager
async def application_test(
    app: DistributedApplication,
    start: Start,
    *,
    plugins: Plugins,
    producers: bool = True,
    raise_errors: bool = True,
    faults: FaultSchedule | None = None,
) -> AsyncGenerator[ApplicationTest]:
    """
    Run an application in memory while the context is open; see ``DistributedApplication.test()``.

    Args:
        app: The application.
        start: Runs applications to their end, as *app* does with its own.
        plugins: The plugins of *app*.
        producers: Whether its producers run.
        raise_errors: Whether failures of handlers are raised.
        faults: What goes wrong with what is published.
    """
    if not app.applications:
        text = "there is nothing to test: the application has neither handlers nor producers"
        raise ConfigurationError(text, hint="Import the modules that register them")
    if any(application.status in {"starting", "running", "draining"} for application in app.applications):
        message = "the application is running already"
        raise RuntimeError(message)
    applications = [each for each in app.applications if producers or not isinstance(each, ProducerApplication)]
    run = LiveRun(applications, PrivateBroker(plugins, faults), raise_errors=raise_errors)
    async with run.lived(app, start):
        yield ApplicationTest(run)
