"""How a scenario is performed: in time, leaving nothing open, alone or beside its twins; knows no test runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from spa_core._groups import collapsing
from spa_core.testing._guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from spa_core.testing.kit import Kit

__all__ = ["is_failure", "perform"]


async def perform(method: Callable[[Kit], Coroutine[Any, Any, None]], kit: Kit, *, alone: bool) -> None:
    """
    Perform a scenario with *kit* and, for stress, with each of its twins: all at once, or one by one if it is *alone*.

    Raises:
        BaseException: What the scenario raises, out of the groups it came in.
    """
    with collapsing():
        if alone:
            for each in (kit, *kit.twins):
                async with guarded(each):
                    await method(each)
            return
        async with guarded(kit):
            if not kit.twins:
                await method(kit)
                return
            async with anyio.create_task_group() as tasks:
                for each in (kit, *kit.twins):
                    tasks.start_soon(method, each)


def is_failure(error: BaseException) -> bool:
    """Tell a scenario that fails from one that is skipped, cancelled or interrupted."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_failure(each) for each in cast("BaseExceptionGroup[BaseException]", error).exceptions)
    return isinstance(error, Exception | pytest.fail.Exception)
