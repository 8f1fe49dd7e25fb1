"""
The runner: opens applications, keeps them alive, drains and closes them.

::

    open all ── serve ──┬── every application ended by itself ──────────────┬── close
                        ├── stop() or first signal ── drain ── done ────────┤
                        ├── one failed ───────────── drain the others ──────┤   then raise
                        └── deadline or second signal ── cancel handlers ───┘   a third signal gives up closing too

Applications start together (nobody publishes before all are subscribed) and end together: if one dies for good the
others are drained and the runner raises. It never goes on with a part missing.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Final, Literal

import anyio
import anyio.from_thread

from spa_core._discovery.plugins import Plugins
from spa_core._failures import described
from spa_core._groups import collapsing, sole_error
from spa_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from spa_core._application.applications import AbstractApplication

logger = logging.getLogger("spa_core.runner")

Ending = Literal["finished", "drained", "timed-out", "forced"]
"""How a run ended: by itself, after a drain, with handlers cancelled at the deadline, or by a second signal."""

_ALIVE: Final = ("starting", "running", "draining")

SHUTDOWN_TIMEOUT: Final = 30.0
"""Seconds that running handlers get to finish, unless said otherwise."""


class Runner:
    """
    Runs applications until they end, are stopped, or fail.

    Attributes:
        ending: How the run ended; ``None`` before that.
    """

    def __init__(
        self,
        applications: Sequence[AbstractApplication],
        *,
        plugins: Plugins | None = None,
        shutdown_timeout: float = SHUTDOWN_TIMEOUT,
        handle_signals: bool = True,
    ) -> None:
        self.ending: Ending | None = None
        self._applications = list(applications)
        self._plugins = plugins
        self._shutdown_timeout = shutdown_timeout
        self._handle_signals = handle_signals
        self._errors: list[Exception] = []
        self._stopping: anyio.Event | None = None
        self._thread: int
        self._opening: anyio.CancelScope
        self._supervision: anyio.CancelScope
        self._go: anyio.Event

    async def run(self) -> None:
        """
        Run to the end.

        Raises:
            ConfigurationError: There is nothing to run, or something cannot work; nothing was opened.
            RuntimeError: An application runs already, alone or in another run.
            Exception: What an application failed with, after the others were drained; several in an exception group.
        """
        if not self._applications:
            message = "there is nothing to run: the application has neither handlers nor producers"
            raise ConfigurationError(message, hint="Register one with @app.application(topics) or @app.producer()")
        plugins = self._plugins or Plugins()
        plugins.load_lifecycle()
        for application in self._applications:
            if application.status in _ALIVE:
                message = f"{application.name} is running already"
                raise RuntimeError(message)
            application.use_plugins(plugins)
            application.check()
        self._thread = threading.get_ident()
        self._stopping = anyio.Event()
        self._opening = anyio.CancelScope()
        self._go = anyio.Event()
        with collapsing():
            await self._supervise(self._stopping)
        self.ending = self.ending or "finished"
        self._raise_errors()

    def stop(self) -> None:
        """
        Begin to drain; :meth:`run` returns when that is done. Twice is once.

        Called from the event loop, or by a plain handler or producer from its worker thread.
        """
        if self._stopping is None:
            return
        if threading.get_ident() == self._thread:
            self._stopping.set()
        else:
            anyio.from_thread.run_sync(self._stopping.set)

    async def _supervise(self, stopping: anyio.Event) -> None:
        ended = anyio.Event()
        async with anyio.create_task_group() as supervision:
            self._supervision = supervision.cancel_scope
            if self._handle_signals and threading.current_thread() is threading.main_thread():
                await supervision.start(self._watch_signals)
            supervision.start_soon(self._drain_when, stopping, ended)
            await self._run_all()
            ended.set()
            supervision.cancel_scope.cancel()

    async def _run_all(self) -> None:
        async with anyio.create_task_group() as lives:
            with self._opening:
                await self._open_all(lives)
            if self._opening.cancel_called or self._errors:
                # Those that are open already are closed in good order before anything is raised.
                self._cancel_all()
            else:
                logger.info("running: %s", ", ".join(application.name for application in self._applications))
            self._go.set()

    async def _open_all(self, lives: TaskGroup) -> None:
        for application in self._applications:
            try:
                await lives.start(self._live, application)
            except Exception as error:  # noqa: BLE001 - collected, and raised when the others are closed
                self._fail(error)
                return

    async def _live(self, application: AbstractApplication, *, task_status: TaskStatus[None]) -> None:
        opened = _Told(task_status)
        try:
            await application.live(self._go, task_status=opened)
        except Exception as error:
            if not opened.told:
                raise
            # One line: the traceback comes with the error itself, which is raised when the others are drained.
            logger.error("%s failed, the other applications are drained: %s", application.name, described(error))  # noqa: TRY400
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._errors.append(error)
        self.stop()

    async def _drain_when(self, stopping: anyio.Event, ended: anyio.Event) -> None:
        await stopping.wait()
        self.ending = self.ending or "drained"  # a second signal may have come in the same moment
        with anyio.move_on_after(self._shutdown_timeout):
            await self._drain_all()
            await ended.wait()
        if not ended.is_set():
            logger.warning(
                "handlers still running after %g s are cancelled; their messages are given back", self._shutdown_timeout
            )
            self.ending = "timed-out"
            self._cancel_all()

    async def _drain_all(self) -> None:
        if not self._go.is_set():
            self._opening.cancel()
            return
        # Side by side: one whose broker does not answer must not keep the others fetching.
        async with anyio.create_task_group() as drains:
            for application in self._applications:
                drains.start_soon(self._drain, application)

    async def _drain(self, application: AbstractApplication) -> None:
        try:
            await application.begin_draining()
        except Exception as error:  # noqa: BLE001 - collected, and raised when the others are drained
            logger.error("%s could not be drained and is cancelled: %s", application.name, described(error))  # noqa: TRY400
            self._fail(error)
            application.cancel()

    async def _watch_signals(self, *, task_status: TaskStatus[None]) -> None:
        try:
            receiver = anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM)
            signals = receiver.__enter__()
        except NotImplementedError:
            # Event loops on Windows take no signal handlers; there Ctrl-C interrupts as it does everywhere in Python.
            task_status.started()
            return
        try:
            task_status.started()
            async for number in signals:
                self._signalled(number)
        finally:
            receiver.__exit__(None, None, None)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stopping is not None and not self._stopping.is_set():
            logger.info("%s: draining, a second signal cancels", number.name)
            self.stop()
        elif self.ending != "forced":
            logger.warning("%s again: handlers are cancelled; their messages are given back", number.name)
            self.ending = "forced"
            self._cancel_all()
        else:
            # Something hangs on the way out, such as a resource that does not exit; only this gets an operator out.
            logger.warning("%s again: closing is given up", number.name)
            self._supervision.cancel()

    def _cancel_all(self) -> None:
        for application in self._applications:
            application.cancel()

    def _raise_errors(self) -> None:
        if len(self._errors) == 1:
            error = self._errors[0]
            raise error from error.__cause__
        if self._errors:
            message = "several applications failed"
            raise ExceptionGroup(message, [*map(_as_exception, self._errors)])


class _Told:
    """A task status that remembers whether it was told: a failure before that belongs to the starter."""

    def __init__(self, status: TaskStatus[None]) -> None:
        self._status = status
        self.told = False

    def started(self, value: None = None) -> None:
        self.told = True
        self._status.started(value)


def _as_exception(error: Exception) -> Exception:
    sole = sole_error(error)
    return sole if isinstance(sole, Exception) else error
