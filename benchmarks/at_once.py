"""Many tasks that do the same side by side."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def all_at_once(at_once: int, messages: int, do: Callable[[], Awaitable[object]]) -> list[float]:
    """Do something *messages* times in all, by *at_once* tasks, each one after the other; return what each took."""
    latencies: list[float] = []

    async def work(count: int) -> None:
        for _ in range(count):
            started = perf_counter()
            await do()
            latencies.append(perf_counter() - started)

    async with asyncio.TaskGroup() as tasks:
        for number in range(at_once):
            tasks.create_task(work(messages // at_once + (number < messages % at_once)))
    return latencies
