"""What counts as a failure of code that is not ours, and what it said, in words that can be logged and sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import anyio

if TYPE_CHECKING:
    from asyncio import CancelledError


def is_failure(error: BaseException) -> bool:
    """Whether *error* is the code's own failure, and not somebody's will to end it."""
    return isinstance(error, Exception) or is_stray(error)


def is_stray(error: BaseException) -> TypeGuard[CancelledError]:
    """
    Whether *error* is a cancellation that this task was not asked for.

    On asyncio, awaiting a task or future that was cancelled raises the same exception as being cancelled. A task that
    ended with it would end without a word. On trio nobody but trio raises its cancellation.
    """
    import asyncio  # noqa: PLC0415 - loaded where it matters, and not for those who run trio

    if not isinstance(error, asyncio.CancelledError) or anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        return False
    task = asyncio.current_task()
    return task is not None and not task.cancelling() and anyio.current_effective_deadline() != -float("inf")


def described(error: BaseException) -> str:
    """Return the class and the words of an error, such as ``"ValueError: too wet"``."""
    return f"{type(error).__name__}: {words(error)}"


def words(error: BaseException) -> str:
    """Return what an error says, as text that can be written as UTF-8; nothing if it cannot say it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the error of another's code may be of any make
        return ""
    return text.encode(errors="replace").decode()
