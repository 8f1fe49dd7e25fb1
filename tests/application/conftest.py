"""What the tests of whole applications in memory share: a broker of their own, and running beside the test."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spa_core import SocketProviderFactory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from spa_core import DistributedApplication, SpaSocket

    Eventually = Callable[[Callable[[], object]], Awaitable[None]]
    Launch = Callable[[DistributedApplication], AbstractAsyncContextManager[SpaSocket]]

_numbers = itertools.count(1)
PATIENCE = 10.0  # seconds until a test that waits for what never happens fails


@pytest.fixture
def memory() -> str:
    """Return the URL of a broker that no other test has."""
    return f"memory://application-{next(_numbers)}"


@pytest.fixture
def eventually() -> Eventually:
    """Return what waits, without sleeping, until a condition holds, and fails the test if it never does."""

    async def wait(condition: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE):
            while not condition():
                await checkpoint()

    return wait


@pytest.fixture
def launch(memory: str, eventually: Eventually) -> Launch:
    """Return what runs an application beside the test, which gets a socket on its broker, and stops it afterwards."""

    @asynccontextmanager
    async def launched(app: DistributedApplication) -> AsyncGenerator[SpaSocket]:
        provider = SocketProviderFactory.from_url(memory)
        async with provider.create_socket() as socket, anyio.create_task_group() as tasks:
            tasks.start_soon(_run, app)
            await eventually(lambda: "running" in [each.state for each in app.health().applications])
            yield socket
            app.stop()

    return launched


async def _run(app: DistributedApplication) -> None:
    with anyio.fail_after(PATIENCE):
        await app.start_async(handle_signals=False)
