"""One run of an application in a test: begun, watched until nothing is left to do, and ended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import anyio

from spa_core import AbstractApplication, ProducerApplication
from spa_core._groups import collapsing
from spa_core.errors import SocketClosedError
from spa_core.testing._exchange import exchanged
from spa_core.testing._observation import Observation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from spa_core import DistributedApplication, SpaSocket
    from spa_core.testing._exchange import PrivateBroker

Start: TypeAlias = "Callable[..., Awaitable[None]]"
"""Runs applications to their end, as ``DistributedApplication.start_async`` does."""


class LiveRun:
    """
    A run over a private broker.

    Args:
        applications: What runs, besides the test itself.
        broker: What they talk over.
        raise_errors: Whether failures of handlers are raised when the run is settled or ended.

    Attributes:
        applications: As above.
        broker: As above.
        observation: What is seen of the applications.
    """

    def __init__(
        self, applications: Sequence[AbstractApplication], broker: PrivateBroker, *, raise_errors: bool
    ) -> None:
        self.applications = applications
        self.broker = broker
        self.observation = Observation()
        self._raise_errors = raise_errors
        self._visitor = _Visitor(broker)
        self._ended = anyio.Event()
        self._error: Exception | None = None

    @property
    def socket(self) -> SpaSocket:
        """
        The test's own socket.

        Raises:
            SocketClosedError: The run has ended.
        """
        if self._visitor.socket is None or self._ended.is_set():
            raise SocketClosedError("the application under test has ended")
        return self._visitor.socket

    @asynccontextmanager
    async def lived(self, app: DistributedApplication, start: Start) -> AsyncGenerator[None]:
        """Run while the context is open, and drain on leaving it."""
        with exchanged(app, self.broker, self.observation), collapsing():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._live, start)
                await self._visitor.running.wait()
                self._raise_error()
                yield
                app.stop()
                await self._ended.wait()
            self.raise_what_happened()

    async def until_settled(self) -> None:
        """Wait until nothing is left to run, or the run has ended."""
        while not self._is_settled():
            for source in self.broker.sources:
                await source.until_idle()
            if self._is_ending():
                await self._ended.wait()
            elif self._runs_producer():
                await self.observation.until_changed()

    def raise_what_happened(self) -> None:
        """Raise what the run ended with, or what a handler failed with."""
        self._raise_error()
        if self._raise_errors:
            self.observation.raise_failures()

    def _is_settled(self) -> bool:
        if self._ended.is_set():
            return True
        busy = self._is_ending() or self._runs_producer()
        return not busy and all(source.is_idle() for source in self.broker.sources)

    def _is_ending(self) -> bool:
        return self.observation.dooming or any(
            application.status in {"draining", "failed"} for application in self.applications
        )

    def _runs_producer(self) -> bool:
        producers = (each for each in self.applications if isinstance(each, ProducerApplication))
        return any(producer.status in {"starting", "running"} for producer in producers)

    async def _live(self, start: Start) -> None:
        try:
            await start([*self.applications, self._visitor], handle_signals=False)
        except Exception as error:  # noqa: BLE001 - raised in the test itself
            self._error = error
        finally:
            self._ended.set()
            self._visitor.running.set()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


class _Visitor(AbstractApplication):
    """The test's own part in the run: a socket, from when everybody is subscribed until the run is drained."""

    def __init__(self, broker: PrivateBroker) -> None:
        super().__init__(self.run_async, broker.provider, client_name="test")
        self.running = anyio.Event()

    async def run_async(self) -> None:
        """Be there."""
        self.running.set()
        await anyio.sleep_forever()
