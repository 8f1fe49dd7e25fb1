"""
The other side of a client that is measured, in a process of its own: it sends prepared packets, or answers questions.

It sends no more than it was allowed to and the client has handled, because at level 0 the broker would drop the rest.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from benchmarks.brokers import HOST, mosquitto
from benchmarks.mqtt import packets
from benchmarks.mqtt.case import CONTENT_TYPE, HEADERS, QUESTIONS, TOPIC, payload

if TYPE_CHECKING:
    from benchmarks.mqtt.case import Case

GRANT: Final = 500
"""Messages that one byte on its standard input allows."""

GRANTS_AHEAD: Final = 4
_READY: Final = b"ready\n"
_CHUNK: Final = 100


class Load:
    """
    A process that publishes; a context manager.

    Args:
        case: What it publishes.
        messages: How often.
    """

    def __init__(self, case: Case, messages: int) -> None:
        self._process = _start("publish", str(case.qos), str(case.size), str(messages))
        self._left = messages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)

    def begin(self) -> None:
        """Let it send the first messages."""
        self._allow(GRANTS_AHEAD)

    def handled(self) -> bool:
        """Note that the client has handled one more message; return whether it was the last."""
        self._left -= 1
        if not self._left % GRANT:
            self._allow(1)
        return not self._left

    def _allow(self, grants: int) -> None:
        if self._process.stdin is not None and self._process.poll() is None:
            os.write(self._process.stdin.fileno(), b"+" * grants)


class Responder:
    """A process that answers every question with its own payload; a context manager."""

    def __enter__(self) -> Self:
        self._process = _start("answer")
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", __name__, str(mosquitto()), *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=Path(__file__).parents[2]
    )
    if process.stdout is None or process.stdout.read(len(_READY)) != _READY:
        raise RuntimeError("the process that makes the load did not start")
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def main() -> None:
    """Be the process."""
    port, what, *numbers = sys.argv[1:]
    connection = socket.create_connection((HOST, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(packets.connect(f"load-{os.getpid()}"))
    connection.recv(1024)
    {"publish": _publish, "answer": _answer}[what](connection, *map(int, numbers))


def _publish(connection: socket.socket, qos: int, size: int, messages: int) -> None:
    threading.Thread(target=_read_away, args=[connection], daemon=True).start()
    before, after = packets.publish(TOPIC, payload(size), qos, packets.content_properties(CONTENT_TYPE, HEADERS))
    identifiers = [number.to_bytes(2) for number in range(1, 65_001)] if qos else [b""] * 65_000
    os.write(1, _READY)
    sent = allowed = 0
    while sent < messages:
        if sent == allowed:
            grants = os.read(0, 1024)
            if not grants:
                return
            allowed = min(messages, allowed + len(grants) * GRANT)
        count = min(_CHUNK, allowed - sent)
        wanted = (identifiers[number % len(identifiers)] for number in range(sent, sent + count))
        connection.sendall(b"".join(before + each + after for each in wanted))
        sent += count
    os.read(0, 1)


def _read_away(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def _answer(connection: socket.socket) -> None:
    connection.sendall(packets.subscribe(QUESTIONS, 1))
    buffer, number = bytearray(), 0
    while data := connection.recv(65_536):
        buffer += data
        answers: list[bytes] = []
        for first, body in packets.packets(buffer):
            if first >> 4 == packets.SUBACK:
                os.write(1, _READY)
            if first >> 4 == packets.PUBLISH:
                number = number % 65_000 + 1
                answers += _answer_to(first, body, number)
        connection.sendall(b"".join(answers))


def _answer_to(first: int, body: bytes, number: int) -> list[bytes]:
    identifier, address, correlation, question = packets.request(first, body)
    properties = packets.content_properties(CONTENT_TYPE, HEADERS, correlation)
    before, after = packets.publish(address, question, 1, properties)
    return [packets.puback(identifier), before, number.to_bytes(2), after]


if __name__ == "__main__":
    main()
