"""The other side of a client that is measured, in a process of its own, so that its work is not counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

_READY: Final = b"ready\n"


class OtherSide:
    """
    A module of this package run as a process; a context manager, ready inside, killed at the end.

    Args:
        module: Its name below this package; it calls :func:`ready` when it is.
        *arguments: What it is given.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=Path(__file__).parents[1]
        )
        if self._process.stdout is None or self._process.stdout.read(len(_READY)) != _READY:
            raise RuntimeError(f"{self._command[2]} did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, data: bytes) -> None:
        """Give it something to read on its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(data)


def ready() -> None:
    """Say, in the process, that it is ready."""
    os.write(1, _READY)
