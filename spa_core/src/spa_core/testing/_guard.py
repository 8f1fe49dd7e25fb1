"""What holds for every scenario besides its claim: it ends, and leaves nothing open."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from spa_core.testing.resources import Resources

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from spa_core.testing.kit import Kit


@asynccontextmanager
async def guarded(kit: Kit) -> AsyncGenerator[None]:
    """Fail a scenario that hangs, or that leaves a task, a thread or a descriptor behind."""
    before = Resources.now()
    with anyio.move_on_after(kit.longest) as scope:
        yield
        await kit.nothing_left_since(before)
    if scope.cancelled_caught:
        raise AssertionError(f"not done within {kit.longest:g} s")
