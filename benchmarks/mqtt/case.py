"""What every client is given to do: the same message, levels and numbers."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOPIC: Final = "plants/north/flow"
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


class Reading(msgspec.Struct):
    """What the payload means; the note fills it up to its size."""

    plant: str
    time: int
    flow: float
    note: str = ""


def payload(size: int) -> bytes:
    """Return a reading in JSON of exactly *size* bytes."""
    bare = msgspec.json.encode(Reading("north", 1_647_770_400, 100.6))
    return msgspec.json.encode(Reading("north", 1_647_770_400, 100.6, "x" * (size - len(bare))))


async def all_at_once(at_once: int, messages: int, do: Callable[[], Awaitable[object]]) -> list[float]:
    """Do something *messages* times in all, by *at_once* tasks, each one after the other; return what each took."""
    latencies: list[float] = []

    async def work(count: int) -> None:
        for _ in range(count):
            started = perf_counter()
            await do()
            latencies.append(perf_counter() - started)

    shares = [messages // at_once + (number < messages % at_once) for number in range(at_once)]
    async with asyncio.TaskGroup() as tasks:
        for share in shares:
            tasks.create_task(work(share))
    return latencies
