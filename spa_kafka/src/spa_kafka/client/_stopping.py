"""Ending parts of the driver, whose own ways to stop break off or never return."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

__all__ = ["in_good_order", "stopped"]

_PATIENCE: Final = 3.0
"""Seconds that a part of the driver gets to stop in good order before it is made to."""


async def stopped(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """End tasks of the driver, some of which have to be told more than once."""
    left = {task for task in tasks if task is not None and not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.05)


async def in_good_order(stop: Awaitable[None]) -> bool:
    """Let a part of the driver stop by itself; ``False`` if it takes too long or breaks off."""

    async def run() -> None:
        await stop

    task = asyncio.create_task(run())
    await asyncio.wait({task}, timeout=_PATIENCE)
    good = task.done() and not task.cancelled() and task.exception() is None
    await stopped([task])
    return good
