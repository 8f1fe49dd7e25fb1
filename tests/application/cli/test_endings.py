"""How a process ends."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import click
import pytest

from spa_core.cli._endings import end, exit_code, one_line
from spa_core.errors import ConfigurationError, ConnectError, PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ended(Exception):  # noqa: N818 - stands in for the end of the process
    """The process would have ended at once."""


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> click.Context:
    """Make a context in a process that does not really end at once."""

    def exit_at_once(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", exit_at_once)
    return click.Context(click.Command("run"))


@pytest.fixture
def stuck_thread() -> Iterator[None]:
    """Run a thread that ends with the test."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    yield
    release.set()
    thread.join()


@pytest.mark.usefixtures("stuck_thread")
@pytest.mark.parametrize("code", [3, 130])
def test_a_stuck_thread_is_not_waited_for(context: click.Context, code: int) -> None:
    """After a deadline or a second signal, a thread that cannot be cancelled does not keep the process alive."""
    with pytest.raises(Ended, match=str(code)):
        end(context, code)


@pytest.mark.usefixtures("stuck_thread")
@pytest.mark.parametrize("code", [0, 1, 2])
def test_threads_are_waited_for_otherwise(context: click.Context, code: int) -> None:
    """A process that ends in good order ends as Python does, which waits for threads."""
    with pytest.raises(click.exceptions.Exit) as caught:
        end(context, code)

    assert caught.value.exit_code == code


@pytest.mark.parametrize("code", [3, 130])
def test_without_threads_the_end_is_python_s(
    context: click.Context, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread is left, the process ends as Python does, whatever the exit code."""
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread()])

    with pytest.raises(click.exceptions.Exit) as caught:
        end(context, code)

    assert caught.value.exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigurationError("x"), 2), (PluginError("x", plugin="p"), 2), (ConnectError("x"), 1), (KeyError("x"), 1)],
)
def test_errors_have_exit_codes(error: Exception, code: int) -> None:
    """What is configured wrongly is 2, everything else 1."""
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectError("no\n  broker", hint="Start one"), "no broker. Start one"),
        (KeyError("x"), "KeyError: 'x'"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_errors_are_one_line(error: Exception, line: str) -> None:
    """An error is one line; the class is named where the sentence alone would not do."""
    assert one_line(error) == line
