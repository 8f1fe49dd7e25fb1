"""Who waits on a connection: for the broker's answers, and for what is written to be gone; knows no bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Waiting", "fail"]


class Waiting:
    """The futures of one connection; each is resolved once, or failed when the connection ends."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._pongs: list[asyncio.Future[None]] = []
        self._drains: list[asyncio.Future[None]] = []

    @property
    def for_the_broker(self) -> bool:
        """Whether an answer of the broker is waited for."""
        return bool(self._answers or self._pongs)

    @property
    def for_writing(self) -> bool:
        """Whether somebody waits until all is written."""
        return bool(self._drains)

    def answer(self, mid: int | None) -> asyncio.Future[list[int]]:
        """Return what the answer to a packet will be; without an identifier there will be none."""
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        if mid is not None:
            self._answers[mid] = answer
        return answer

    def answered(self, mid: int, codes: list[int]) -> None:
        """Hand an answer to whoever waits for it."""
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def pong(self) -> asyncio.Future[None]:
        """Return what is done with the next PINGRESP."""
        self._pongs.append(pong := self._loop.create_future())
        return pong

    def ponged(self) -> None:
        """Tell all who wait for a PINGRESP."""
        pongs, self._pongs = self._pongs, []
        _resolve(pongs)

    def drain(self) -> asyncio.Future[None]:
        """Return what is done when all is written."""
        self._drains.append(drain := self._loop.create_future())
        return drain

    def drained(self) -> None:
        """Tell all who wait until all is written."""
        drains, self._drains = self._drains, []
        _resolve(drains)

    def fail(self, error: Exception) -> None:
        """Tell everybody that nothing will come."""
        fail((*self._answers.values(), *self._pongs, *self._drains), error)


def fail(waiting: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    """End futures with an error, but for those that have ended."""
    for each in waiting:
        if not each.done():
            each.set_exception(error)
            each.exception()  # whoever waits hears of it; where nobody does, that is no news for the log


def _resolve(waiting: Iterable[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None)
