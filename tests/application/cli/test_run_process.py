"""``spa run`` in a process of its own, with real signals."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import Popen

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="event loops on Windows take no signal handlers")

APPLICATION = """
import threading
import anyio
from spa_core import DistributedApplication

app = DistributedApplication("memory://")
release = anyio.Event()

@app.application("plants/+")
async def handle(message, socket):
    print("handling", flush=True)
    {handling}
    print("handled", flush=True)

@app.producer()
async def replay(socket):
    await socket.publish("plants/north", b"1")
    {producing}
"""


@pytest.fixture
def start(tmp_path: Path, spawn: Callable[..., Popen[str]]) -> Callable[..., Popen[str]]:
    """Run an application whose handler does as told, and return when its first message is being handled."""

    def run(handling: str, *options: str, producing: str = "pass", plain: bool = False) -> Popen[str]:
        text = APPLICATION.format(handling=handling, producing=producing)
        (tmp_path / "app.py").write_text(text.replace("async def handle", "def handle") if plain else text, "utf-8")
        process = spawn("-m", "spa_core.cli", "run", "app:app", *options)
        assert process.stdout is not None
        assert process.stdout.readline() == "handling\n"
        return process

    return run


def wait_for(text: str, process: Popen[str]) -> None:
    """Wait until the process logs a line with *text*."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr)


def test_an_idle_application_is_drained(
    start: Callable[..., Popen[str]], ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """SIGTERM ends an application that waits for messages with 0, and standard error tells of it plainly."""
    process = start("pass")
    assert process.stdout is not None
    assert process.stdout.readline() == "handled\n"
    process.terminate()
    code, output, errors = ended(process)

    assert (code, output) == (0, "")
    assert "INFO    spa_core.runner: SIGTERM: draining, a second signal cancels" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_handlers_finish(
    start: Callable[..., Popen[str]], number: signal.Signals, ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """A handler that runs when the signal comes finishes, and the exit code is 0."""
    # The handler goes on when it is told to drain, which it can see by its application's health.
    process = start("while app.health().state != 'draining': await anyio.sleep(0)")
    process.send_signal(number)
    code, output, _ = ended(process)

    assert (code, output) == (0, "handled\n")


def test_the_deadline_cancels_handlers(
    start: Callable[..., Popen[str]], ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """A handler that does not finish in time is cancelled, and the exit code is 3."""
    process = start("await anyio.sleep_forever()", "--shutdown-timeout", "10ms")
    process.terminate()
    code, output, errors = ended(process)

    assert (code, output) == (3, "")
    assert "handlers still running after 0.01 s are cancelled" in errors


def test_a_second_signal_forces_the_end(
    start: Callable[..., Popen[str]], ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """After a second signal handlers are cancelled without waiting, and the exit code is 130."""
    process = start("await anyio.sleep_forever()")
    process.send_signal(signal.SIGINT)
    wait_for("SIGINT: draining", process)
    process.send_signal(signal.SIGINT)
    code, output, errors = ended(process)

    assert (code, output) == (130, "")
    assert "SIGINT again: handlers are cancelled" in errors


def test_a_stuck_thread_does_not_keep_the_process(start: Callable[..., Popen[str]]) -> None:
    """A plain handler that never returns cannot be cancelled, and yet a second signal ends the process with 130."""
    process = start("threading.Event().wait()", plain=True)
    process.terminate()
    wait_for("SIGTERM: draining", process)
    process.terminate()

    assert process.wait(timeout=30) == 130


def test_a_failure_ends_with_1(
    start: Callable[..., Popen[str]], ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """When a producer fails, the handlers are drained and the exit code is 1."""
    process = start("pass", producing="raise RuntimeError('out of order')")
    code, output, errors = ended(process)

    assert (code, output) == (1, "handled\n")
    assert errors.endswith("\nError: RuntimeError: out of order\n")


def test_a_factory_in_another_folder_runs(
    tmp_path: Path, spawn: Callable[..., Popen[str]], ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """With ``--app-dir`` and ``--factory`` the application is made by a function of a module elsewhere."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    text = APPLICATION.format(handling="app.stop()", producing="pass")
    (folder / "shop.py").write_text(f"{text}\nasync def make():\n    return app\n", "utf-8")
    process = spawn(
        "-m", "spa_core.cli", "run", "shop:make", "--factory", "--app-dir", "elsewhere", "--url", "memory://x"
    )
    code, output, _ = ended(process)

    assert (code, output) == (0, "handling\nhandled\n")


def test_a_missing_module_ends_with_2(
    spawn: Callable[..., Popen[str]], ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """An application that does not exist is one line and exit code 2."""
    process = spawn("-m", "spa_core.cli", "run", "xyzzy:app")
    code, output, errors = ended(process)

    assert (code, output) == (2, "")
    assert errors.startswith("Error: there is no module 'xyzzy' in ")
    assert errors.count(os.linesep) == 1
