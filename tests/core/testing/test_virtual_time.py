"""Time that passes as soon as nothing else is left to do, on both event loops."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from spa_core.testing.clock import virtual_time

pytestmark = pytest.mark.anyio

DAY = 24 * 60 * 60.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run an async test once on each event loop, on virtual time."""
    return request.param, virtual_time(request.param)


async def test_time_begins_at_zero() -> None:
    """Every run begins at the same time, so that what a test sees of it is the same every time."""
    assert anyio.current_time() == 0


async def test_sleeping_takes_no_time() -> None:
    """A day of sleep passes at once, and to the second."""
    await anyio.sleep(DAY)

    assert anyio.current_time() == DAY


async def test_a_day_of_back_off_takes_no_time() -> None:
    """Retries that wait twice as long each time, up to an hour, reach the end of the day without a wait."""
    delay = 0.1
    while anyio.current_time() < DAY:
        await anyio.sleep(delay)
        delay = min(2 * delay, 3600)

    assert anyio.current_time() < DAY + 3600


async def test_timers_run_in_their_order() -> None:
    """Tasks that sleep wake in the order of their deadlines, each at its own time."""
    woken: list[tuple[float, float]] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append((seconds, anyio.current_time()))

    async with anyio.create_task_group() as tasks:
        for seconds in (3 * DAY, 0.001, 7.5, 2 * DAY):
            tasks.start_soon(sleep, seconds)

    assert woken == [(0.001, 0.001), (7.5, 7.5), (2 * DAY, 2 * DAY), (3 * DAY, 3 * DAY)]


async def test_what_can_run_runs_before_time_moves() -> None:
    """Time stands still while any task is busy, however long it takes."""
    with anyio.move_on_after(0.001) as scope:
        for _ in range(10_000):
            await checkpoint()

    assert not scope.cancelled_caught
    assert anyio.current_time() == 0


async def test_deadlines_obey() -> None:
    """``fail_after`` and ``move_on_after`` end what waits too long, at their virtual time."""
    with pytest.raises(TimeoutError), anyio.fail_after(DAY):
        await anyio.sleep_forever()

    assert anyio.current_time() == DAY

    with anyio.move_on_after(5) as scope:
        await anyio.sleep(4)

    assert not scope.cancelled_caught
    assert anyio.current_time() == DAY + 4


async def test_time_never_goes_back() -> None:
    """A deadline that is over from the beginning takes effect at once and leaves the clock alone."""
    await anyio.sleep(DAY)
    with anyio.move_on_after(-5) as scope:
        await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert anyio.current_time() == DAY


async def test_what_sleeps_forever_does_not_hold_time_up() -> None:
    """Tasks that wait for no time at all leave the clock to those that do."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        tasks.start_soon(anyio.Event().wait)
        await anyio.sleep(DAY)
        tasks.cancel_scope.cancel()

    assert anyio.current_time() == DAY


async def test_waiting_for_quiet_moves_no_time() -> None:
    """``anyio.wait_all_tasks_blocked`` returns when all others wait, before any of their timers."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 5)
        await checkpoint()
        await anyio.wait_all_tasks_blocked()
        time_when_quiet = anyio.current_time()

    assert time_when_quiet == 0
    assert anyio.current_time() == 5


async def test_the_work_of_a_thread_takes_no_virtual_time() -> None:
    """While a worker thread is at work, timers wait for it, and its result comes first."""
    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(time.sleep, 0.01)

    assert anyio.current_time() == 0


async def test_threads_with_a_limiter_of_their_own_are_seen() -> None:
    """Time waits for worker threads whatever bounds their number."""
    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(time.sleep, 0.01, limiter=anyio.CapacityLimiter(1))

    assert anyio.current_time() == 0


async def test_a_thread_that_outlasts_a_timer_is_left() -> None:
    """A timer that is really reached while a thread is at work goes off, at its virtual time."""
    release = threading.Event()
    with anyio.move_on_after(0.05) as scope:
        await anyio.to_thread.run_sync(release.wait, abandon_on_cancel=True)
    release.set()

    assert scope.cancelled_caught
    assert anyio.current_time() == 0.05


async def test_an_idle_thread_holds_nothing_up() -> None:
    """Once its work is done, a thread that waits for more does not keep time from passing."""
    await anyio.to_thread.run_sync(threading.get_ident)
    await anyio.sleep(DAY)

    assert anyio.current_time() == DAY

    # The pool now ends the thread, as it was idle for so long, and starts another one.
    await anyio.to_thread.run_sync(threading.get_ident)
    await anyio.sleep(DAY)

    assert anyio.current_time() == 2 * DAY


async def test_threads_can_call_into_the_loop() -> None:
    """A worker thread may run a function in the loop, whose time is still the loop's."""

    def work() -> float:
        return anyio.from_thread.run_sync(anyio.current_time)

    await anyio.sleep(3)

    assert await anyio.to_thread.run_sync(work) == 3


@pytest.mark.parametrize("anyio_backend", [("asyncio", virtual_time("asyncio"))], ids=["asyncio"])
async def test_asyncio_itself_obeys() -> None:
    """``asyncio.sleep``, ``wait_for`` and ``timeout`` know no other time."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), DAY)
    async with asyncio.timeout(DAY):
        await asyncio.sleep(1)

    assert asyncio.get_running_loop().time() == DAY + 1


@pytest.mark.parametrize("anyio_backend", [("asyncio", virtual_time("asyncio"))], ids=["asyncio"])
async def test_executors_of_asyncio_are_seen() -> None:
    """Time waits for the threads of an executor; one nobody waits for any more is forgotten."""
    await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.01), 30)

    assert anyio.current_time() == 0

    release = threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(release.wait), 0.05)
    await asyncio.sleep(DAY)
    release.set()

    assert anyio.current_time() == DAY + 0.05
