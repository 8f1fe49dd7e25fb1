"""A deployed node as a process: started with a task, asked what it did, interrupted as its users interrupt it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import Process

__all__ = ["OldNode"]

_PROGRAM: Final = Path(__file__).with_name("program.py")
_LONGEST_LINE: Final = 1 << 20  # bytes
_LAST_LINES: Final = 20


class OldNode:
    """
    One node; an async context manager, started inside and gone afterwards.

    Args:
        python: The Python that has spa-dat.
        task: What `program` is to do.
        log: The file that its log goes to.
    """

    def __init__(self, python: Path, task: Mapping[str, Any], *, log: Path) -> None:
        self._command = [str(python), str(_PROGRAM), json.dumps(task)]
        self._log = log

    async def __aenter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process: Process = await anyio.open_process(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        self._lines = BufferedByteReceiveStream(self._process.stdout)
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.aclose()

    async def said(self, what: str) -> dict[str, Any]:
        """Wait for its next word, which must be *what*, and return the facts it told."""
        try:
            line = await self._lines.receive_until(b"\n", _LONGEST_LINE)
        except anyio.IncompleteRead:
            last = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:])
            raise AssertionError(f"the node ended before it said {what!r}:\n{last}") from None
        facts: dict[str, Any] = json.loads(line)

        assert facts.pop("said") == what, line
        return facts

    async def ended(self) -> None:
        """Wait until it has ended by itself."""
        await self._process.wait()

    async def interrupt(self) -> None:
        """End it as Ctrl-C does: it disconnects in good order, and deletes its topics where the broker has such."""
        self._process.send_signal(signal.SIGINT)
        await self._process.wait()
