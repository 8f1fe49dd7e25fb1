"""
How a command ends: exit codes, and errors as one line on standard error.

::

    0    done, or stopped by a signal in good order
    1    failed while running
    2    used or configured wrongly; nothing was run
    3    handlers were cancelled at the shutdown deadline
    130  forced to end by the user
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import click

from spa_core.errors import ConfigurationError, PluginError, SpaError

if TYPE_CHECKING:
    from collections.abc import Generator

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
TIMED_OUT: Final = 3
FORCED: Final = 130


class OutputClosed(Exception):  # noqa: N818 - not a fault: the reader has seen enough
    """Nobody reads our output any more, as in ``spa sub ... | head -1``."""


@contextmanager
def reported(ctx: click.Context) -> Generator[None, None, None]:
    """Turn what a command raises into a line on standard error and an exit code; faults of our own stay tracebacks."""
    try:
        yield
    except SpaError as error:
        raise failure(error) from error
    except KeyboardInterrupt:
        ctx.exit(FORCED)
    except OutputClosed:
        ctx.exit(DONE)


def failure(error: SpaError) -> click.ClickException:
    """Return what ends the process with *error* as one line."""
    kind = _Wrong if exit_code(error) == WRONG else _Failed
    return kind(one_line(error))


def exit_code(error: BaseException) -> int:
    """Return the exit code that *error* stands for."""
    return WRONG if isinstance(error, (ConfigurationError, PluginError)) else FAILED


class _Failed(click.ClickException):
    exit_code = FAILED


class _Wrong(click.ClickException):
    exit_code = WRONG


def one_line(error: BaseException) -> str:
    """Return what *error* says, on one line, its class too unless it is SPA's: those speak for themselves."""
    text = " ".join(str(error).split())
    if isinstance(error, SpaError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def end(ctx: click.Context, code: int) -> NoReturn:
    """
    End the process with an exit code.

    If something was cancelled on the way, threads that cannot be cancelled are not waited for: whoever asked twice, or
    gave a deadline, means it.
    """
    if code in (TIMED_OUT, FORCED) and _threads_left():
        sys.stderr.flush()
        os._exit(code)
    ctx.exit(code)


def _threads_left() -> bool:
    """Tell whether a thread runs that the interpreter would wait for."""
    return any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate())
