"""What the tests of applications share: running one beside the test, and knowing how it ended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import DistributedApplication

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.core.conftest import Broker, Eventually, ScriptedProvider

    from spa_core import Health

    Launch = Callable[..., AbstractAsyncContextManager["Run"]]


class Run:
    """
    One run of an application.

    Attributes:
        app: The application.
        error: What the run ended with, if it was an error.
        done: Set when it has ended.
    """

    def __init__(self, app: DistributedApplication) -> None:
        self.app = app
        self.error: Exception | None = None
        self.done = anyio.Event()

    @property
    def health(self) -> Health:
        """How it is."""
        return self.app.health()

    @property
    def states(self) -> list[str]:
        """The state of each of its applications."""
        return [each.state for each in self.health.applications]

    async def go(self) -> None:
        """Run it to its end."""
        try:
            await self.app.start_async(handle_signals=False)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error
        finally:
            self.done.set()

    async def ended(self) -> Exception | None:
        """Wait for its end and return what it ended with."""
        with anyio.fail_after(5):
            await self.done.wait()
        return self.error


@pytest.fixture
def launch(eventually: Eventually) -> Launch:
    """Return what runs an application beside the test, until it runs or says otherwise, and stops it afterwards."""

    @asynccontextmanager
    async def launched(
        app: DistributedApplication, *, until: Callable[[], object] | None = None
    ) -> AsyncGenerator[Run]:
        run = Run(app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.go)
            await eventually(until or (lambda: run.done.is_set() or "running" in run.states))
            yield run
            app.stop()
            await run.ended()

    return launched


@pytest.fixture
def make_app(broker: Broker) -> Callable[..., DistributedApplication]:
    """Return what makes an application on the scripted broker."""

    def make(provider: ScriptedProvider | None = None, **options: Any) -> DistributedApplication:
        return DistributedApplication(provider or broker.provider(), **options)

    return partial(make)
