"""A socket that is read in chunks, because paho asks for one byte, one byte and the rest; knows no packet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

__all__ = ["BufferedSocket"]

_CHUNK: Final = 65_536


class BufferedSocket:
    """
    What paho needs of a socket.

    Args:
        raw: The socket, with or without TLS.

    Attributes:
        raw: As above.
    """

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self._chunk: bytes = b""
        self._at = 0
        self.send = raw.send
        self.fileno = raw.fileno
        self.setblocking = raw.setblocking

    def recv(self, size: int) -> bytes:
        """Return up to *size* bytes; ``BlockingIOError`` if there are none now, none at all at the end."""
        if self._at == len(self._chunk):
            self._chunk = self.raw.recv(max(_CHUNK, size))
            self._at = 0
        found = self._chunk[self._at : self._at + size]
        self._at += len(found)
        return found

    def pending(self) -> int:
        """Return how many bytes can be read although the system knows of none."""
        of_tls = getattr(self.raw, "pending", None)
        return len(self._chunk) - self._at or (0 if of_tls is None else of_tls())

    def close(self) -> None:
        """Close the socket."""
        self.raw.close()
