"""What a consumer fetches and what becomes of it; it says so itself, and knows neither the consumer nor a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from spa_core.message import SpaMessage
    from spa_kafka.client import Record
    from spa_kafka.partitions import Past

__all__ = ["NothingToFetchError", "Reading"]


class NothingToFetchError(Exception):
    """No topic is wanted that exists: there is nothing to be connected for."""


class Reading(NamedTuple):
    """
    What a consumer fetches, and what becomes of it.

    Attributes:
        wanted: Returns the topics to fetch, by their names at the broker, as far as they exist.
        message: Makes a record's message; ``None`` if it is not to be delivered.
        past: Reads what a record brings along; ``None`` if records bring nothing.
    """

    wanted: Callable[[], Collection[str]]
    message: Callable[[Record], SpaMessage | None]
    past: Callable[[Record], Past] | None = None
