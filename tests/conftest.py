"""What every test can rely on: installed packages, two event loops, and a check that nothing is left behind."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

hypothesis.settings.register_profile("dev", max_examples=25, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))

# Threads that wait for work after a test by design: anyio ends its idle workers with the event loop but does not wait
# for them, trio keeps its own for ten seconds whatever loop comes next.
IDLE_WORKERS = ("AnyIO worker thread", "Trio thread")


def pytest_configure() -> None:
    """Stop at once if core is not installed: seen from the checkout, its folder would pass for an empty package."""
    if importlib.util.find_spec("spa_core") is None or importlib.util.find_spec("spa_core.errors") is None:
        raise pytest.UsageError("spa_core is not installed: run `pip install -e spa_core -e spa_inmemory`")


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run an async test once on each event loop."""
    return (request.param, {})


@pytest.fixture(autouse=True)
def no_thread_left_over() -> Iterator[None]:
    """Fail a test that leaves a thread running."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in threading.enumerate() if thread not in before]
    started = [thread for thread in started if not thread.name.startswith(IDLE_WORKERS)]
    for thread in started:
        thread.join(timeout=1)  # one that is about to end is no leak

    assert not [thread for thread in started if thread.is_alive()], "the test left threads running"


@pytest.fixture(autouse=True)
def nothing_left_over(request: pytest.FixtureRequest, no_thread_left_over: None) -> None:  # noqa: ARG001 - order
    """Fail an async test that leaves a task running; threads are looked at last, once the event loop is closed."""
    if "anyio_backend" in request.fixturenames:
        request.getfixturevalue("no_task_left_over")


@pytest.fixture
async def no_task_left_over(anyio_backend_name: str) -> AsyncIterator[None]:
    """Fail a test that leaves an asyncio task running; trio's nurseries cannot be left before their tasks end."""
    if anyio_backend_name == "trio":
        yield
        return

    before = _asyncio_tasks()
    yield

    assert not _asyncio_tasks() - before, "the test left tasks running"


def _asyncio_tasks() -> set[asyncio.Task[Any]]:
    # anyio's test runner steps through a test in tasks of its own.
    return {task for task in asyncio.all_tasks() if not task.get_coro().__qualname__.startswith("TestRunner.")}
