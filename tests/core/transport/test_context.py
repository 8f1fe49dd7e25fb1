"""The delivery being handled, seen from inside the handler and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from spa_core.message import SpaMessage
from spa_core.transport import SettleOnce, current_delivery

if TYPE_CHECKING:
    from spa_core.transport import Delivery, Outcome

pytestmark = pytest.mark.anyio


class Plain(SettleOnce):
    """A delivery of no broker."""

    async def apply(self, outcome: Outcome) -> bool:
        """Tell nobody."""
        return bool(outcome)


def delivery() -> Plain:
    """Return a delivery."""
    return Plain(SpaMessage(topic="a"))


def test_outside_of_handlers_there_is_none() -> None:
    """Code that runs on its own handles no delivery, and asking for it is no error."""
    assert current_delivery.get() is None


async def test_tasks_do_not_see_each_others() -> None:
    """What one task handles is not what the task beside it handles, however they alternate."""
    seen: dict[Delivery, list[Delivery | None]] = {}

    async def handle(mine: Delivery) -> None:
        current_delivery.set(mine)
        seen[mine] = []
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            seen[mine].append(current_delivery.get())

    deliveries = [delivery() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for mine in deliveries:
            tasks.start_soon(handle, mine)

    assert seen == {mine: [mine] * 3 for mine in deliveries}
    assert current_delivery.get() is None


async def test_worker_threads_see_their_callers() -> None:
    """A handler that runs in a worker thread sees the delivery of the task that sent it there."""
    mine = delivery()
    token = current_delivery.set(mine)
    try:
        seen = await anyio.to_thread.run_sync(current_delivery.get)
    finally:
        current_delivery.reset(token)

    assert seen is mine
