"""
What a process has open: tasks, threads and descriptors, as a value that can be compared with an earlier one.

Idle workers that an event loop keeps for later are no leak, whoever made them. Nor is the port of a fault proxy, which
is closed and opened on command.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import anyio
import msgspec

from spa_core.testing import _door

__all__ = ["Resources"]

_IDLE_WORKERS: Final = ("AnyIO worker thread", "Trio thread", "asyncio_")
_DESCRIPTORS: Final = (Path("/proc/self/fd"), Path("/dev/fd"))


class Resources(msgspec.Struct, frozen=True):
    """
    What is open now; each by a text that tells it from the others and means something to people.

    Attributes:
        tasks: Running tasks of this event loop.
        threads: Threads, without idle workers.
        descriptors: Open descriptors, as far as the system tells; none on systems that do not.
    """

    tasks: frozenset[str]
    threads: frozenset[str]
    descriptors: frozenset[str]

    @classmethod
    def now(cls) -> Resources:
        """Look at what is open; called from the event loop."""
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith(_IDLE_WORKERS)]
        tasks = [task for task in anyio.get_running_tasks() if task.name != _door.TASK]
        return cls(
            tasks=frozenset(f"task {task.name} ({task.id:#x})" for task in tasks),
            threads=frozenset(f"thread {thread.name} ({thread.ident})" for thread in threads),
            descriptors=frozenset(_descriptors()),
        )

    def since(self, before: Resources) -> list[str]:
        """Return what was not open *before*, sorted."""
        return sorted(
            (self.tasks - before.tasks) | (self.threads - before.threads) | (self.descriptors - before.descriptors)
        )


def _descriptors() -> list[str]:
    folder = next((each for each in _DESCRIPTORS if each.is_dir()), None)
    doors = {str(number) for number in _door.door_descriptors()}
    links = [] if folder is None else [link for link in folder.iterdir() if link.name not in doors]
    return [f"descriptor {link.name} ({target})" for link in links if (target := _target(link)) is not None]


def _target(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except OSError:
        # The one that listed the folder is closed by now.
        return None
