"""Real signals to real processes: one drains, a second cancels, a third gives up waiting for what hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple, TextIO

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Says on standard output what happens, and goes on when a line comes in: nothing here waits for a time to pass.
PROGRAM = """
    import sys
    from contextlib import asynccontextmanager

    import anyio, anyio.to_thread

    from spa_core import DistributedApplication, hookimpl

    backend, mode = sys.argv[1:]

    def say(word):
        print(word, flush=True)

    class Plugin:
        @hookimpl
        def spa_application_state(self, application, state):
            if state == "draining" and application.name == "handle":
                say("draining")

    app = DistributedApplication("memory://signals", shutdown_timeout=60, plugins=[Plugin()])

    @asynccontextmanager
    async def resource():
        yield
        if mode == "hang":
            say("closing")
            await anyio.sleep_forever()
        say("closed")

    @app.application("a", group="g", resources={"r": resource})
    async def handle(message):
        say("handling " + message.payload.decode())
        try:
            if mode == "hang":
                return
            if mode == "stuck":
                await anyio.sleep_forever()
            await anyio.to_thread.run_sync(sys.stdin.readline)
        except anyio.get_cancelled_exc_class():
            say("cancelled")
            raise
        say("handled")

    @app.producer()
    async def produce(socket):
        await socket.publish("a", "1")
        await socket.publish("a", "2")

    app.start(backend=backend)
    say("ending " + app.ending)
"""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Process(NamedTuple):
    """A process that runs an application."""

    handle: subprocess.Popen[str]
    out: TextIO
    into: TextIO

    def says(self, *words: str) -> None:
        """Wait for what it says next."""
        for word in words:
            assert self.out.readline().rstrip("\n") == word

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.handle.send_signal(number)

    def ends(self) -> int:
        """Wait for its end and return its exit code."""
        assert self.out.read() == ""
        return self.handle.wait(timeout=10)


@contextmanager
def running(backend: str, mode: str) -> Iterator[Process]:
    """Run the program, and see that it is gone afterwards."""
    command = [sys.executable, "-c", dedent(PROGRAM), backend, mode]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as handle:
        assert handle.stdout is not None
        assert handle.stdin is not None
        try:
            yield Process(handle, handle.stdout, handle.stdin)
        finally:
            handle.kill()


@BACKENDS
@SIGNALS
def test_the_first_signal_drains(backend: str, number: signal.Signals) -> None:
    """The handler that runs finishes, what was handed out with it too, everything is closed, and the exit code is 0."""
    with running(backend, "finish") as process:
        process.says("handling 1")
        process.send(number)
        process.says("draining")
        process.into.write("go on\n" * 2)
        process.into.flush()
        process.says("handled", "handling 2", "handled", "closed", "ending drained")

        assert process.ends() == 0


@BACKENDS
def test_the_second_signal_cancels(backend: str) -> None:
    """A handler that does not finish is cancelled by the second signal, and everything is closed in good order."""
    with running(backend, "stuck") as process:
        process.says("handling 1")
        process.send(signal.SIGTERM)
        process.says("draining")
        process.send(signal.SIGINT)
        process.says("cancelled", "closed", "ending forced")

        assert process.ends() == 0


def test_the_third_signal_gives_up_closing() -> None:
    """A resource that hangs when it is closed cannot keep an operator from ending the process."""
    with running("asyncio", "hang") as process:
        process.says("handling 1", "handling 2")
        process.send(signal.SIGTERM)
        process.says("draining", "closing")
        process.send(signal.SIGTERM)
        process.send(signal.SIGINT)
        process.says("ending forced")

        assert process.ends() == 0
