"""What every client is given to do: the same message, levels and numbers."""

from __future__ import annotations

from typing import Final

import msgspec

QUESTIONS: Final = "plants/north/questions"
CONTENT_TYPE: Final = "application/json"
HEADERS: Final = {"plant": "north", "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}


class Case(msgspec.Struct, frozen=True):
    """
    One row of a table.

    Attributes:
        qos: The level of the protocol that is published and subscribed with.
        size: Bytes of the payload.
        at_once: How many tasks publish or ask, each one message after the other.
    """

    qos: int
    size: int
    at_once: int = 1
