"""What counts as a failure of code that is not ours, and what it said."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from spa_core._failures import described, is_failure, is_stray, words

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def cancellation_of_another() -> BaseException:
    """Return what awaiting a cancelled future raises."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    try:
        await future
    except BaseException as error:  # noqa: BLE001 - looked at
        return error
    raise AssertionError


@pytest.mark.anyio
@on_asyncio
async def test_anothers_cancellation_is_a_failure() -> None:
    """Who awaits what was cancelled was not cancelled himself."""
    error = await cancellation_of_another()

    assert is_stray(error)
    assert is_failure(error)


@pytest.mark.anyio
@on_asyncio
async def test_anothers_cancellation_in_a_cancelled_scope_is_no_failure() -> None:
    """Where everything is being cancelled anyway, it does not matter whose cancellation came first."""
    with anyio.CancelScope() as scope:
        error = await cancellation_of_another()
        scope.cancel()

        assert not is_stray(error)
        assert not is_failure(error)


@pytest.mark.anyio
@on_asyncio
async def test_a_task_that_is_cancelled_has_not_failed() -> None:
    """``task.cancel()`` is somebody's will, although no scope knows of it."""
    judged: list[bool] = []
    started = anyio.Event()

    async def wait() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            judged.append(is_failure(error))
            raise

    task = asyncio.create_task(wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert judged == [False]


@pytest.mark.anyio
async def test_a_cancelled_scope_is_no_failure() -> None:
    """On either event loop a cancellation that was asked for is somebody's will."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(anyio.get_cancelled_exc_class()) as caught:
            await checkpoint()

        assert not is_failure(caught.value)
        raise caught.value


@pytest.mark.anyio
async def test_errors_and_exits() -> None:
    """Every exception is a failure; what ends a process is not."""
    assert is_failure(ValueError())
    assert is_failure(ExceptionGroup("several", [ValueError()]))
    assert not is_failure(KeyboardInterrupt())
    assert not is_failure(SystemExit())
    assert not is_stray(ValueError())


@given(st.text(st.characters()))
def test_words_can_always_be_written(text: str) -> None:
    """Whatever an error says, its words are UTF-8, and those that can be written stay as they are."""
    said = words(ValueError(text))

    assert said.encode().decode() == said
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert said == text


def test_an_error_without_words() -> None:
    """An error that cannot even say what it is has a class at least."""

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert described(UnspeakableError()) == "UnspeakableError: "
    assert described(KeyError("north")) == "KeyError: 'north'"
