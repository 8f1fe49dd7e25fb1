"""What virtual time reports instead of hanging, and how a waiting task is named; knows no event loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from spa_core.errors import SpaError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DeadlockError", "RealIOError"]

# Whoever looks for a deadlock looks for a line of their own, not for the event they all wait in.
_MACHINERY: Final = frozenset({"anyio", "asyncio", "trio"})


class DeadlockError(SpaError):
    """
    Nothing can ever run again: no task is ready, no timer is set and no worker thread is at work.

    On asyncio it comes out of the event loop, which cancels the tasks when it is closed. On trio it is raised in the
    main task, so that it may arrive in an exception group.

    Attributes:
        time: The virtual time of the deadlock in seconds.
        tasks: Each task that waits, with the place where it does.
    """

    def __init__(self, *, time: float, tasks: Sequence[str]) -> None:
        super().__init__(
            f"nothing can run any more at {time:g} s of virtual time: no task is ready, no timer is set, no worker"
            f" thread is at work, and these tasks wait: {'; '.join(tasks) or 'none'}",
            hint="Look for an event that nobody sets or a queue that nobody fills",
        )
        self.time = time
        self.tasks = tuple(tasks)


class RealIOError(SpaError):
    """
    Something waits for a socket, a pipe or a process, which do not know of virtual time.

    It is raised where that is waited for. Where a transport of asyncio only logs it, the :class:`DeadlockError` that
    follows has it as its cause.
    """

    def __init__(self) -> None:
        super().__init__(
            "virtual time cannot wait for a real file descriptor",
            hint="Use it with in-memory transports, and real time with sockets, pipes and processes",
        )


def waiting_task(name: str, frames: Sequence[tuple[str, int, str]]) -> str:
    """
    Return how a waiting task is named in an error.

    Args:
        name: The task's name.
        frames: File, line and function of every frame it waits in, outermost first.
    """
    own = [frame for frame in frames if _MACHINERY.isdisjoint(Path(frame[0]).parts)] or frames
    if not own:
        return repr(name)
    file, line, function = own[-1]
    return f"{name!r} in {function} ({Path(file).name}:{line})"
