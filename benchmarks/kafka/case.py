"""What every client is given to do: the same messages and numbers."""

from __future__ import annotations

from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/json"
HEADERS: Final = {"content-type": CONTENT_TYPE, "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}
WIRE_HEADERS: Final = [(name, text.encode()) for name, text in HEADERS.items()]
KEYS: Final = [f"line-{number:011}".encode() for number in range(100)]
"""Keys of 16 bytes, which messages have in turn."""

BATCH: Final = 128 * 1024
"""Bytes of a batch at which aiokafka publishes fastest; with its default of 16 KiB it falls far behind at 1 KiB."""


class Case(msgspec.Struct, frozen=True):
    """
    One row of a table.

    Attributes:
        size: Bytes of the payload.
        partitions: How many the topic has.
        at_once: How many tasks publish or ask, each one message after the other.
        filled: In how many of them there are messages, where messages are waiting before they are read.
    """

    size: int
    partitions: int
    at_once: int = 1
    filled: int | None = None
