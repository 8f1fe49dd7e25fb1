"""
rumqttd for tests, out of the wheel that PyPI has under the name iotcore: a second broker, stricter than Mosquitto.

It closes the connection of a client that acknowledges out of order, and stores nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Self

from brokers.process import LOOPBACK, BrokerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Rumqttd"]

_SETTINGS: Final = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
"""

_LISTENER: Final = """
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = 2097152
max_inflight_count = 500
dynamic_filters = true
"""


class Rumqttd:
    """
    A broker of our own; a context manager, running inside. It forgets everything when it ends.

    Args:
        folder: An empty folder for its files; its log is ``broker.log``.

    Attributes:
        port_of_v4: The port that speaks MQTT 3.1.1 only.
        port_of_v5: The port that speaks MQTT 5 only.
    """

    def __init__(self, folder: Path) -> None:
        self.port_of_v4, self.port_of_v5 = ports = free_port(), free_port()
        listeners = zip(("v4", "v5"), ports, strict=True)
        sections = [_LISTENER.format(version=version, host=LOOPBACK, port=port) for version, port in listeners]
        settings = folder / "rumqttd.toml"
        settings.write_text("".join([_SETTINGS, *sections]), "utf-8")
        command = [sys.executable, "-I", "-m", "iotcore", "--log-level", "CRITICAL", "--config", str(settings)]
        self._process = BrokerProcess(command, ports=ports, log=folder / "broker.log")

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def restart(self) -> None:
        """Stop it and start it again on the same ports; nothing is left of what it had."""
        self._process.restart()
