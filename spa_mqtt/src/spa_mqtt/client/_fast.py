"""
The fast path: packets of messages are cut out of what one read gave, and written without a detour through paho's queue.

Every other packet is left in the buffer for paho to read. Used unless the configuration says otherwise, the way is a
websocket, or the installed paho keeps its times elsewhere than is known here; `Driver` alone does the same, slower.
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.enums import MQTTErrorCode

from spa_mqtt import packets
from spa_mqtt.address import WEBSOCKET_SCHEMES
from spa_mqtt.client._buffered import BufferedSocket
from spa_mqtt.client._driver import Driver
from spa_mqtt.packets import MalformedPacketError

if TYPE_CHECKING:
    import socket

    from spa_mqtt.client._driver import Events
    from spa_mqtt.connecting import Settings

__all__ = ["FastDriver", "PacketSocket", "driver_for"]

_CHUNK: Final = 65_536
_LARGEST_READ: Final = 1_048_576
_HEARD_AT: Final = ("_last_bytes_received", "_last_msg_in")
"""Where paho notes when something came: from 2.2 on, and before."""


def driver_for(settings: Settings, events: Events) -> Driver:
    """Return the driver for one connection: the fast one where it can be used."""
    if settings.config.fast_path == "auto" and settings.config.scheme not in WEBSOCKET_SCHEMES:
        fast = FastDriver(settings, events)
        if fast.is_possible:
            return fast
    return Driver(settings, events)


class PacketSocket(BufferedSocket):
    """
    A socket whose packets can be taken whole, and put back for somebody who reads byte by byte.

    Args:
        raw: The socket, with or without TLS; it does not block.
    """

    def __init__(self, raw: socket.socket) -> None:
        super().__init__(raw)
        self._parts: list[bytes] = []
        self._missing = 0
        self._before = 0

    def packet(self) -> tuple[int, bytes] | None:
        """
        Take the next packet: its first byte and what is behind its length; ``None`` if it has not come as a whole.

        Raises:
            EOFError: The other side has ended the connection.
            OSError: The connection broke.
            MalformedPacketError: It has no length.
        """
        if (found := self._whole()) is None and self._receive():
            found = self._whole()
        return found

    def put_back(self) -> None:
        """Have the packet that was taken last read again."""
        self._at = self._before

    @property
    def unseen(self) -> int:
        """How many bytes TLS has decrypted that nobody has asked for, and that the system knows nothing of."""
        of_tls = getattr(self.raw, "pending", None)
        return 0 if of_tls is None else of_tls()

    def _whole(self) -> tuple[int, bytes] | None:
        if self._missing > 0:
            return None
        chunk, at = self._chunk, self._at
        try:
            size = chunk[at + 1]
            start = at + 2
            if size > 0x7F:  # noqa: PLR2004 - more than one byte
                size, start = packets.read_varint(chunk, at + 1)
        except IndexError:
            self._missing = 1
            return None
        end = start + size
        if end > len(chunk):
            self._missing = end - len(chunk)
            return None
        self._before, self._at = at, end
        return chunk[at], chunk[start:end]

    def _receive(self) -> bool:
        """Read once; return whether it was enough. A large packet is put together when all of it is there."""
        try:
            part = self.raw.recv(max(_CHUNK, min(self._missing, _LARGEST_READ)))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not part:
            raise EOFError
        self._parts.append(part)
        self._missing -= len(part)
        if self._missing > 0:
            return False
        self._chunk = b"".join((self._chunk[self._at :], *self._parts))
        self._at = self._missing = 0
        self._parts.clear()
        return True


class FastDriver(Driver):
    """
    A driver that lets paho see only what opens, keeps and ends a connection.

    Attributes:
        is_possible: Whether the installed paho is one that it can be used with.
    """

    def __init__(self, settings: Settings, events: Events) -> None:
        super().__init__(settings, events)
        self._events = events
        self._has_properties = settings.is_v5
        self._heard_at = next((name for name in _HEARD_AT if hasattr(self._paho, name)), None)
        self.is_possible = self._heard_at is not None and hasattr(self._paho, "_last_msg_out")
        self._has_heard = self._has_said = False

    def open(self, opened: Any) -> None:  # noqa: ANN401 - of `open_way`
        """Send CONNECT over a socket, which is the driver's from now on."""
        super().open(PacketSocket(opened.raw))

    def read(self) -> bool:
        """Read, and tell what came, one packet at a time; return whether there is more in the buffer."""
        try:
            packet = self._socket.packet()
            if packet is None:
                return bool(self._socket.unseen)
        except (OSError, EOFError):
            return self._ended(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        except MalformedPacketError:
            return self._ended(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        self._has_heard = True
        try:
            self._take(*packet)
        except MalformedPacketError:
            return self._ended(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        return bool(self._socket.pending())

    def _take(self, first: int, body: bytes) -> None:
        kind = first & 0xF0
        if kind == packets.PUBLISH:
            self._events.arrived(packets.read_publish(first, body, has_properties=self._has_properties))
        elif kind == packets.PUBACK:
            self._events.confirmed(*packets.read_confirmation(body))
        else:
            self._socket.put_back()
            self._paho.loop_read()

    def _ended(self, reason: MQTTErrorCode) -> bool:
        self._paho._loop_rc_handle(reason)  # noqa: SLF001
        return False

    def _send(self, packet: bytes) -> int:
        """Hand bytes to the operating system, unless others wait; return how many it took. Never tells anything."""
        if self._paho.want_write():
            return 0
        try:
            sent: int = self._socket.send(packet)
        except OSError:  # nothing fits in now; or it is broken, which paho finds when it tries
            return 0
        self._has_said = True
        return sent

    def queue(self, packet: bytes) -> None:
        """Put bytes behind what is to be written; what fits in at once is written."""
        sent = self._send(packet)
        if sent < len(packet):
            super().queue(packet[sent:] if sent else packet)

    def write(self) -> bool:
        """Write as much as there is room for; return whether there is more."""
        return bool(self._paho.want_write()) and super().write()

    def tick(self) -> None:
        """Look after the keepalive; to be called about once a second."""
        now = time.monotonic()
        if self._has_heard and self._heard_at is not None:
            setattr(self._paho, self._heard_at, now)
        if self._has_said:
            self._paho._last_msg_out = now  # noqa: SLF001
        self._has_heard = self._has_said = False
        super().tick()
