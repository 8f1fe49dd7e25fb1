"""Runs on virtual time as a whole: where they begin, and what they report instead of hanging."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

import anyio
import outcome
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import ParameterError
from spa_core.testing._virtual_loop import VirtualTimeLoop
from spa_core.testing.clock import DeadlockError, RealIOError, virtual_time
from spa_core.testing.errors import waiting_task

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")

DAY = 24 * 60 * 60.0
BACKENDS = ("asyncio", "trio")
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS)


def run(function: Callable[[], Awaitable[T]], backend: str) -> T:
    """Run a function on virtual time."""
    return anyio.run(function, backend=backend, backend_options=virtual_time(backend))


def failure(function: Callable[[], Awaitable[object]], backend: str) -> BaseException | None:
    """Run a function on virtual time and return what it fails with, the first one of a group."""
    try:
        run(function, backend)
    except BaseException as error:  # noqa: BLE001 - whatever it is
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return error
    return None


def test_ending_an_executor_takes_its_time() -> None:
    """Closing the loop waits for the threads of its executor, though nothing else is left to run."""
    release = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, release.wait).cancel()
        threading.Timer(0.05, release.set).start()

    anyio.run(main, backend_options=virtual_time("asyncio"))

    assert release.is_set()


def test_time_begins_anew_with_every_run() -> None:
    """Options are used for as many runs as one likes, each beginning at 0."""

    async def day() -> tuple[float, float]:
        start = anyio.current_time()
        await anyio.sleep(DAY)
        return start, anyio.current_time()

    for backend in BACKENDS:
        options = virtual_time(backend)
        runs = [anyio.run(day, backend=backend, backend_options=options) for _ in range(2)]

        assert runs == [(0, DAY), (0, DAY)]


@ON_BOTH
def test_a_century_is_no_problem(backend: str) -> None:
    """Where a nanosecond is too little to tell two times apart, timers go off all the same."""

    async def century() -> float:
        await anyio.sleep(100 * 365 * DAY)
        await anyio.sleep(0.5)
        return anyio.current_time()

    assert run(century, backend) == 100 * 365 * DAY + 0.5


@given(delays=st.lists(st.floats(0, 30 * DAY), max_size=20))
def test_any_sleeps_end_when_they_should(delays: list[float]) -> None:
    """Whatever the sleeps, one after the other or at once, time is the sum or the longest of them in the end."""

    async def in_turn() -> float:
        for delay in delays:
            await anyio.sleep(delay)
        return anyio.current_time()

    async def at_once() -> float:
        async with anyio.create_task_group() as tasks:
            for delay in delays:
                tasks.start_soon(anyio.sleep, delay)
        return anyio.current_time()

    for backend in BACKENDS:
        assert run(in_turn, backend) == pytest.approx(sum(delays))
        assert run(at_once, backend) == pytest.approx(max(delays, default=0))


def test_unknown_backends_are_refused() -> None:
    """A backend that anyio does not have is refused with the nearest one."""
    with pytest.raises(ParameterError, match="virtual_time knows no backend 'asyncoi'") as caught:
        virtual_time("asyncoi")

    assert caught.value.allowed == ("asyncio", "trio")
    assert caught.value.hint == "Did you mean 'asyncio'?"


@ON_BOTH
def test_a_deadlock_is_reported(backend: str) -> None:
    """A task that nothing can wake ends the run, with its name, its line and the time."""

    async def wait_in_vain() -> None:
        await anyio.sleep(90)
        await anyio.Event().wait()

    with pytest.raises(DeadlockError, match="nothing can run any more at 90 s of virtual time") as caught:
        run(wait_in_vain, backend)

    (task,) = caught.value.tasks
    assert "wait_in_vain" in task
    assert f"in wait_in_vain ({__file__.rpartition('/')[2]}:" in task
    assert task in str(caught.value)
    assert caught.value.time == 90


@ON_BOTH
def test_a_deadlock_names_all_that_wait(backend: str) -> None:
    """Every task of the application is listed, each with the line of its own it waits in; the loop's are not."""

    async def first() -> None:
        await anyio.sleep_forever()

    async def second() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.Event().wait)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            tasks.start_soon(second)

    error = failure(main, backend)

    assert isinstance(error, DeadlockError)
    assert len(error.tasks) == 4
    assert [
        name for name in ("first", "second", "main") if not any(f"in {name} (" in task for task in error.tasks)
    ] == []


@ON_BOTH
def test_after_a_deadlock_everything_is_cleaned_up(backend: str) -> None:
    """All tasks are ended in the usual way, and may still take (virtual) time for that."""
    cleaned: list[float] = []

    async def clean_up_slowly() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(60)
            cleaned.append(anyio.current_time())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clean_up_slowly)
            await clean_up_slowly()

    assert isinstance(failure(main, backend), DeadlockError)
    assert cleaned[0] == 60
    assert len(cleaned) == 2


@ON_BOTH
def test_a_task_that_nobody_can_cancel_is_reported(backend: str) -> None:
    """A task that shields itself for ever does not keep the run from ending."""

    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stubborn)

    assert isinstance(failure(main, backend), DeadlockError)


@ON_BOTH
def test_accepting_connections_is_refused(backend: str) -> None:
    """A listener on a real port fails where it would wait, instead of being passed by virtual timers."""

    async def main() -> None:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            await listener.serve(lambda stream: stream.aclose())

    assert isinstance(failure(main, backend), RealIOError)


@ON_BOTH
def test_waiting_for_a_connection_is_refused(backend: str) -> None:
    """A real connection cannot be waited for; its owner gets the error, may catch it, and goes on."""
    ours, theirs = socket.socketpair()

    async def main() -> float:
        with pytest.raises(RealIOError, match="virtual time cannot wait for a real file descriptor"):
            await anyio.wait_readable(ours)
        await anyio.sleep(DAY)
        return anyio.current_time()

    with ours, theirs:
        assert run(main, backend) == DAY


@ON_BOTH
def test_a_connection_is_refused_beside_timers(backend: str) -> None:
    """Real I/O is reported even if timers could run, as time would run away from it."""
    ours, theirs = socket.socketpair()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, DAY)
            await anyio.wait_readable(ours)

    with ours, theirs:
        assert isinstance(failure(main, backend), RealIOError)


def test_a_refusal_that_asyncio_swallows_is_told() -> None:
    """A transport of asyncio only logs that it was refused; the deadlock that follows names it as its cause."""
    ours, theirs = socket.socketpair()
    logged: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context["exception"]))
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            await reader.read()
        finally:
            writer.close()

    with ours, theirs:
        error = failure(main, "asyncio")

    assert isinstance(error, DeadlockError)
    assert isinstance(error.__cause__, RealIOError)
    assert logged == [error.__cause__]


def test_calls_from_elsewhere_come_before_a_judgement() -> None:
    """A call into the loop that is on its way is no deadlock, though no task can run meanwhile."""

    async def main() -> None:
        for _ in range(3):
            called = anyio.Event()
            trio.lowlevel.current_trio_token().run_sync_soon(called.set)
            await called.wait()
            await anyio.sleep(1)

    run(main, "trio")


def test_what_trio_cannot_interrupt_is_waited_for() -> None:
    """Where no task can be interrupted, somebody outside must be able to wake one, and is given the time to."""

    async def main() -> str:
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
        threading.Timer(0.05, token.run_sync_soon, [trio.lowlevel.reschedule, task, outcome.Value("woken")]).start()
        return str(await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED))

    assert run(main, "trio") == "woken"


def test_time_passes_after_the_main_task_of_trio() -> None:
    """What is left to do once the main task is over, such as ending its generators, still has its time."""
    ended: list[float] = []

    async def numbers() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(DAY)
            ended.append(anyio.current_time())

    async def main() -> object:
        generator = numbers()
        await anext(generator)
        return generator

    generator = run(main, "trio")

    assert ended == [DAY]
    assert generator is not None


@pytest.mark.parametrize(
    ("stopping", "idle", "at_work"), [(False, False, True), (False, True, False), (True, False, False)]
)
def test_worker_threads_are_told_apart(stopping: bool, idle: bool, at_work: bool) -> None:  # noqa: FBT001
    """Of anyio's worker threads, those that wait for work or have been told to stop do not hold time up."""
    ended = threading.Event()
    loop = VirtualTimeLoop()
    thread = threading.Thread(target=ended.wait)
    vars(thread).update(loop=loop, stopping=stopping, idle_workers=[thread] if idle else [])
    thread.start()

    try:
        assert loop.has_threads_at_work() == at_work
    finally:
        ended.set()
        thread.join()
        loop.close()


def test_a_task_without_a_frame_is_named() -> None:
    """A task whose coroutine shows no frames is at least named."""
    assert waiting_task("compiled", []) == "'compiled'"


SUITE = """
import anyio
import pytest
from spa_core.testing._virtual_loop import VirtualTimeLoop
from spa_core.testing.clock import virtual_time

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param, virtual_time(request.param)

async def test_that_waits_in_vain():
    await anyio.sleep(5)
    await anyio.Event().wait()

async def test_that_follows():
    await anyio.sleep(86400)
"""


def test_pytest_reports_deadlocks(tmp_path: Path) -> None:
    """In tests run by anyio's pytest plugin a deadlock is a failure of its test, and the next one runs."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    # Without the summary, which repeats the errors, in full or cut, as the environment has it.
    command = [sys.executable, "-m", "pytest", "-rN", "-p", "no:cacheprovider", "-c", "/dev/null", "test_suite.py"]
    report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    assert report.count("DeadlockError: nothing can run any more at 5 s of virtual time") == 2, report
    assert "2 failed, 2 passed" in report
