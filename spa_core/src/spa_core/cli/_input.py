"""Standard input as lines, read without keeping the event loop from anything; knows nothing of messages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import anyio
from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STANDARD_INPUT: Final = 0
"""Its file descriptor, on every system."""

_SIZE: Final = 65536


async def lines(descriptor: int) -> AsyncIterator[list[bytes]]:
    """
    Yield the lines of a file, pipe or terminal as they come, without their ends; those read together in one list.

    Args:
        descriptor: The file descriptor to read from, to its end.
    """
    rest = b""
    while chunk := await _some(descriptor):
        *whole, rest = (rest + chunk).split(b"\n")
        if whole:
            yield [line.removesuffix(b"\r") for line in whole]
    if rest:
        yield [rest]


async def _some(descriptor: int) -> bytes:
    """Return what can be read, at least one byte unless it is the end."""
    try:
        await anyio.wait_readable(descriptor)
    except OSError:
        # A regular file never waits, so event loops refuse to wait for one; on Windows they know only sockets.
        return await run_sync(os.read, descriptor, _SIZE, abandon_on_cancel=True)
    return os.read(descriptor, _SIZE)
