"""
An asyncio event loop whose selector moves the clock on where others wait.

It knows asyncio, and of anyio how its idle worker threads are recognised.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from spa_core.testing.errors import DeadlockError, RealIOError, waiting_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor
    from contextvars import Context
    from typing import TypeVarTuple, Unpack

    from _typeshed import FileDescriptorLike

    Ts = TypeVarTuple("Ts")

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose time begins at 0 and jumps to the next timer as soon as no task can run.

    While a worker thread is at work (of anyio or of an executor), timers wait for it as they do in reality; what it
    does takes no virtual time unless it outlasts a timer. Threads started by other means are not seen.

    Raises:
        DeadlockError: From whatever runs the loop, when nothing can run any more.
        RealIOError: From whatever makes the loop wait for a real file descriptor.
    """

    _clock_resolution: float  # asyncio's own: timers go off this early

    def __init__(self) -> None:
        self._now = 0.0
        self._executing = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move the time on."""
        self._now += seconds
        # Half a year on, the default of a nanosecond is too short to tell two times apart: no timer would go off.
        self._clock_resolution = max(self._clock_resolution, math.ulp(self._now))

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Set a timer; one for the end of time, as in ``anyio.sleep_forever()``, is none to jump to."""
        if when == math.inf:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run *func* in a thread, for which time waits until the future is done."""
        future = super().run_in_executor(executor, func, *args)
        self._executing += 1
        future.add_done_callback(self._executed)
        return future

    async def shutdown_default_executor(self, *timeout: Any) -> None:  # none before Python 3.12
        """End the threads of the default executor, for which time waits."""
        self._executing += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._executing -= 1

    def has_threads_at_work(self) -> bool:
        """Tell whether a result can still come from a thread."""
        return self._executing > 0 or any(_works_for(self, thread) for thread in threading.enumerate())

    def _executed(self, _future: asyncio.Future[Any]) -> None:
        self._executing -= 1


class _JumpingSelector(selectors.BaseSelector):
    """A selector that has one real descriptor, the loop's own for calls from threads, and no patience."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._refusal: RealIOError | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if self._loop.has_threads_at_work():
            ready = self._real.select(timeout)
        elif timeout is None:
            # A loop's callbacks only log their errors: what was refused there is what is waited for in vain.
            raise DeadlockError(time=self._loop.time(), tasks=list(_waiting_tasks(self._loop))) from self._refusal
        if not ready and timeout is not None:
            self._loop.jump(timeout)
        return ready

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401
        if self._real.get_map():
            self._refusal = RealIOError()
            raise self._refusal
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def _works_for(loop: VirtualTimeLoop, thread: threading.Thread) -> bool:
    # An idle worker of anyio is in the list that all workers of its loop share; one that was told to stop is not.
    return (
        getattr(thread, "loop", None) is loop
        and not getattr(thread, "stopping", True)
        and thread not in getattr(thread, "idle_workers", ())
    )


def _waiting_tasks(loop: VirtualTimeLoop) -> Iterator[str]:
    for task in sorted(asyncio.all_tasks(loop), key=asyncio.Task[Any].get_name):
        yield waiting_task(task.get_name(), list(_frames(task.get_coro())))


def _frames(awaitable: object) -> Iterator[tuple[str, int, str]]:
    while (frame := getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)) is not None:
        yield frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)
