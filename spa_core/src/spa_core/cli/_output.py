"""
What commands print: messages as lines, and standard output that may be closed by its reader.

The text is UTF-8 whatever the terminal's encoding. Nothing here knows where messages come from.
"""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from spa_core.cli._endings import OutputClosed

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

# Otherwise a publisher could move the cursor or rename the terminal, and one message could look like several.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {9: "\t", 10: "\\n", 13: "\\r"}

_FIELDS = (
    "content_type",
    "client_id",
    "client_name",
    "response_topic",
    "correlation_id",
    "message_id",
    "timestamp",
    "quality_of_service",
    "retain",
    "ttl",
)


class Output:
    """
    Standard output as bytes; what is written is flushed at once.

    Args:
        stream: Where to write; ``None`` is standard output.
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = sys.stdout.buffer if stream is None else stream

    def write(self, data: bytes) -> None:
        """
        Write and flush.

        Raises:
            OutputClosed: The reader has closed its end.
        """
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:
            self._discard_rest()
            raise OutputClosed from None

    def _discard_rest(self) -> None:
        """Send what is left in the buffer nowhere, or the interpreter would complain about it when it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def as_line(message: SpaMessage) -> bytes:
    """Return ``topic payload`` as one line; bytes that are no text and control characters are shown escaped."""
    text = f"{message.topic} {message.payload.decode(errors='backslashreplace')}"
    return f"{text.translate(_CONTROLS)}\n".encode()


def as_json(message: SpaMessage) -> bytes:
    """
    Return a message as one line of JSON with every field.

    Payload and key are text if they are UTF-8, else they are called ``payload_base64`` and ``key_base64``.
    """
    fields: dict[str, object] = {"topic": message.topic, **_text_or_base64("payload", message.payload)}
    fields |= {"key": None} if message.key is None else _text_or_base64("key", message.key)
    fields |= {name: getattr(message, name) for name in _FIELDS}
    fields["headers"] = dict(message.headers)
    return msgspec.json.encode(fields) + b"\n"


def _text_or_base64(name: str, data: bytes) -> dict[str, str]:
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b64encode(data).decode("ascii")}
