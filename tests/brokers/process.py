"""A broker as a process on this machine: started, stopped, killed, and started again on the same ports; any broker."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["LOOPBACK", "BrokerProcess", "free_port"]

LOOPBACK: Final = "127.0.0.1"

# Below what systems give to outgoing connections: one of those could hold the port when the broker starts again.
_PORTS: Final = range(20_000, 32_000)
_LOOK_AGAIN: Final = 0.02  # seconds
_LAST_LINES: Final = 20


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on and that stays free while nobody asks for it."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return port
    raise RuntimeError("no port is free")


class BrokerProcess:
    """
    One broker's process; a context manager, running inside.

    Args:
        command: What starts it in the foreground.
        ports: Where it listens once it is up.
        log: The file its output is added to.
        patience: Seconds in which it must be up, or end when asked to.
    """

    def __init__(self, command: Sequence[str], *, ports: Sequence[int], log: Path, patience: float = 60.0) -> None:
        self.log = log
        self._command = command
        self._ports = ports
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """
        Start it, and return when it accepts connections on all its ports.

        Raises:
            RuntimeError: It ended, or was not up in time; with the last lines of its output.
        """
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        for port in self._ports:
            self.wait_until(partial(_accepts, port), f"listens on {port}")

    def stop(self) -> None:
        """Ask it to end, and wait for that; after the patience it is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL: it can neither save nor say anything."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again on the same ports."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Halt it with SIGSTOP: its connections stay, and nothing answers."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send it any signal; nothing is waited for."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """
        Return when *condition* holds.

        Raises:
            RuntimeError: It ended before, or the patience did, in which case it is killed; with the last lines of its
                output.
        """
        process, deadline = self._process, time.monotonic() + self._patience
        while process is not None and not condition():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_AGAIN)
                raise RuntimeError(f"{self._command[0]} ended with {process.returncode}:\n{self._last_lines()}")
            if time.monotonic() > deadline:
                self.kill()
                text = f"not within {self._patience:g} s: {self._command[0]} {what}"
                raise RuntimeError(f"{text}\n{self._last_lines()}")

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # one that is paused hears nothing else
        try:
            process.wait(self._patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:])


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
