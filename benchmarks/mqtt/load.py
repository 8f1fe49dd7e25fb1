"""
The other side of a client that is measured, in a process of its own: it sends prepared packets, or answers questions.

It sends no more than it was allowed to and the client has handled, because at level 0 the broker would drop the rest.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final

from benchmarks.brokers import HOST, mosquitto
from benchmarks.mqtt import packets
from benchmarks.mqtt.case import CONTENT_TYPE, HEADERS, QUESTIONS
from benchmarks.process import OtherSide, ready
from benchmarks.reading import TOPIC, json_of_size

if TYPE_CHECKING:
    from benchmarks.mqtt.case import Case

GRANT: Final = 500
"""Messages that one byte on its standard input allows."""

GRANTS_AHEAD: Final = 4
_CHUNK: Final = 100


class Load(OtherSide):
    """
    A process that publishes.

    Args:
        case: What it publishes.
        messages: How often.
    """

    def __init__(self, case: Case, messages: int) -> None:
        super().__init__("mqtt.load", mosquitto(), "publish", case.qos, case.size, messages)
        self._left = messages

    def begin(self) -> None:
        """Let it send the first messages."""
        self.tell(b"+" * GRANTS_AHEAD)

    def handled(self) -> bool:
        """Note that the client has handled one more message; return whether it was the last."""
        self._left -= 1
        if not self._left % GRANT:
            self.tell(b"+")
        return not self._left


class Responder(OtherSide):
    """A process that answers every question with its own payload."""

    def __init__(self) -> None:
        super().__init__("mqtt.load", mosquitto(), "answer")


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
    before, after = packets.publish(TOPIC, json_of_size(size), qos, packets.content_properties(CONTENT_TYPE, HEADERS))
    identifiers = [number.to_bytes(2) for number in range(1, 65_001)] if qos else [b""] * 65_000
    ready()
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
    while os.read(0, 1024):  # until nobody allows anything any more
        pass


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
                ready()
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
