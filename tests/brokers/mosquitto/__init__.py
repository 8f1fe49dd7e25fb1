"""
A real Mosquitto for tests, with a listener for each way of reaching a broker.

It starts in a tenth of a second. The program is the installed one, or Debian's package unpacked into a cache.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote, urlencode

from brokers.certificates import Certificates
from brokers.mosquitto.program import NoMosquittoError, mosquitto_command
from brokers.mosquitto.settings import Listeners, write_settings
from brokers.process import LOOPBACK, BrokerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PASSWORD", "READER", "USER", "Mosquitto", "NoMosquittoError"]

USER: Final = "ann"
"""Who may do everything."""

READER: Final = "bob"
"""Who may only subscribe, at the listener ``restricted``: what he publishes there is refused."""

PASSWORD: Final = "ann's secret: 1/@%"
"""The password of both; with characters that must be escaped in a URL."""


class Mosquitto:
    """
    A broker of our own; a context manager, running inside.

    It stores sessions, queued and retained messages when it ends and when told to :meth:`save`: after a :meth:`kill` it
    knows what it knew then. It queues up to a million messages for a client that is away or slow, and drops none.

    Args:
        folder: An empty folder for its files, with a short path (a unix socket's is limited); its log is
            ``broker.log``.
        more: Further lines of settings for all listeners.

    Attributes:
        ports: The TCP port of each way in, by name; see :class:`~brokers.mosquitto.settings.Listeners`.
        unix_path: The path of its unix socket.
        certificates: Files with the authority, and with the key and certificate of a client.
    """

    def __init__(self, folder: Path, *, more: str = "") -> None:
        program = mosquitto_command()
        self._folder = folder
        self.ports = Listeners(*(free_port() for _ in Listeners._fields))
        self.unix_path = folder / "socket"
        self.certificates = Certificates.made_in(folder)
        settings = write_settings(
            folder,
            self.ports,
            self.certificates,
            unix_path=self.unix_path,
            users={USER: "readwrite", READER: "read"},
            password=PASSWORD,
            more=more,
        )
        command = [*program, "-c", str(settings)]
        self._process = BrokerProcess(command, ports=self.ports, log=folder / "broker.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def url(self, scheme: str = "mqtt", *, user: str | None = None, **query: str) -> str:
        """
        Return the URL of one way in.

        Args:
            scheme: ``mqtt``, ``mqtts``, ``ws``, ``wss`` or ``mqtt+unix``. With TLS the authority is named in the URL.
            user: Who logs in, with the password of all; only with the scheme ``mqtt``. `READER` is let in where that
                means something.
            **query: Parameters.
        """
        ports = {"mqtt": self.ports.plain, "mqtts": self.ports.tls, "ws": self.ports.ws, "wss": self.ports.wss}
        if scheme in ("mqtts", "wss"):
            query = {"tls_ca": str(self.certificates.authority), **query}
        text = f"?{urlencode(query, quote_via=quote)}" if query else ""
        if scheme == "mqtt+unix":
            return f"{scheme}://{self.unix_path}{text}"
        if user is not None:
            port = self.ports.restricted if user == READER else self.ports.login
            return f"{scheme}://{user}:{quote(PASSWORD, safe='')}@{LOOPBACK}:{port}{text}"
        return f"{scheme}://{LOOPBACK}:{ports[scheme]}{text}"

    def start(self) -> None:
        """Start it again; return when it accepts connections."""
        self._process.start()

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self._process.stop()

    def restart(self) -> None:
        """Stop it and start it again, with all it stores, on the same ports."""
        self._process.restart()

    def kill(self) -> None:
        """End it with SIGKILL, as a machine that loses its power does."""
        self._process.kill()

    def save(self) -> None:
        """Let it store what it knows; return when it has."""
        stored = self._folder / "mosquitto.db"
        before = stored.stat().st_mtime_ns if stored.exists() else 0
        self._process.send(signal.SIGUSR1)
        # It writes another file, which takes this one's place once it is whole.
        self._process.wait_until(lambda: stored.exists() and stored.stat().st_mtime_ns != before, "has saved")

    def pause(self) -> None:
        """Halt it: its connections stay, and nothing answers."""
        self._process.pause()

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self._process.resume()
