"""
A trio clock that jumps to the next deadline as soon as no task can run.

It does what ``trio.testing.MockClock(autojump_threshold=0)`` does, and what that does not: wait for worker threads,
report a deadlock, refuse real I/O. It knows trio alone.
"""

from __future__ import annotations

import inspect
import math
import time
from typing import TYPE_CHECKING, Final, NoReturn

import trio.testing

from spa_core.testing.errors import DeadlockError, RealIOError, waiting_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType

    from trio.lowlevel import Task

    from spa_core.errors import SpaError


def _codes(*functions: Callable[..., object]) -> frozenset[CodeType]:
    return frozenset(inspect.unwrap(function).__code__ for function in functions)


# What a task that waits in one of these is woken by is no event of the run loop.
_WOKEN_FROM_OUTSIDE: Final = _codes(trio.to_thread.run_sync, trio.testing.wait_all_tasks_blocked)
_WAITS_FOR_IO: Final = _codes(trio.lowlevel.wait_readable, trio.lowlevel.wait_writable)


class VirtualClock(trio.abc.Clock, trio.abc.Instrument):
    """
    A clock that begins at 0 with every run; it must be among the run's instruments too.

    While a task waits for a worker thread, deadlines wait for it as they do in reality; what it does takes no virtual
    time unless it outlasts a deadline.
    """

    def __init__(self) -> None:
        self.start_clock()

    def start_clock(self) -> None:
        """Begin at 0."""
        self._now = 0.0
        self._looked = False
        self._waits_really_until: tuple[float, float] | None = None  # a deadline, and when that is on the real clock

    def current_time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """
        Return how long trio may wait for I/O in real seconds, after a jump if nothing else is left to do.

        Called only when no task is ready to run. The first time it lets trio see what has come from elsewhere, such as
        a call from a thread; asked again before any task has run, nothing had come.
        """
        if not self._looked:
            self._looked = True
            return 0
        if any(_wait_in(_WOKEN_FROM_OUTSIDE)):
            return self._wait_really(deadline)
        if _throw_into_one(_wait_in(_WAITS_FOR_IO), RealIOError()):
            return 0
        if deadline < math.inf:
            self._now = max(self._now, deadline)
            return 0
        deadlock = DeadlockError(time=self._now, tasks=sorted(map(_named, _tasks())))
        return 0 if _throw_into_one(_tasks(), deadlock) else self._wait_really(deadline)

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """Move the clock on to a deadline that was really waited for."""
        if self._waits_really_until is not None:
            deadline, end = self._waits_really_until
            self._waits_really_until = None
            if time.monotonic() >= end:
                self._now = deadline

    def before_task_step(self, task: Task) -> None:  # noqa: ARG002 - trio's signature
        """Note that something runs, so that something may come again."""
        self._looked = False

    def _wait_really(self, deadline: float) -> float:
        seconds = deadline - self._now
        self._waits_really_until = deadline, time.monotonic() + seconds
        return seconds


def _throw_into_one(tasks: Iterable[Task], error: SpaError) -> bool:
    """Raise *error* in the first of the tasks that can be interrupted; return whether there is one."""

    def reraise() -> NoReturn:
        raise error

    # As trio itself does with KeyboardInterrupt: what the task waits for learns of it and can clean up.
    for task in tasks:
        if task._abort_func is not None:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            task._attempt_abort(reraise)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return True
    return False


def _wait_in(functions: frozenset[CodeType]) -> Iterator[Task]:
    """Yield the tasks that wait in one of the functions."""
    return (task for task in _tasks() if any(frame.f_code in functions for frame, _ in task.iter_await_frames()))


def _main_task() -> Task | None:
    # The root task nests three nurseries: for calls from threads, for system tasks, and for the main task.
    root = trio.lowlevel.current_root_task()
    nurseries = root.child_nurseries if root is not None else []
    return next(iter(nurseries[2].child_tasks), None) if len(nurseries) > 2 else None  # noqa: PLR2004


def _tasks() -> Iterator[Task]:
    """Yield the main task and all tasks below it."""
    main = _main_task()
    found = [] if main is None else [main]
    while found:
        task = found.pop()
        yield task
        found += [child for nursery in task.child_nurseries for child in nursery.child_tasks]


def _named(task: Task) -> str:
    frames = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in task.iter_await_frames()]
    return waiting_task(task.name, frames)
