"""Transports that say the wrong thing, or at the wrong time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.errors import EndOfSubscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from spa_core import SpaMessage
    from spa_core.transport import Delivery


@caught_by("test_a_normal_run_is_quiet")
class WarnsOfNothing(Mutant):
    """What is in order is logged as a warning."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            logging.getLogger("mutants").warning("a message on %s", message.topic)
            return await super().publish(message)


@caught_by("test_the_programs_own_errors_come_out_unchanged")
class WrapsErrors(Mutant):
    """An error of the program comes out as one of the transport."""

    class Socket(base.Socket):
        async def __aexit__(
            self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
        ) -> None:
            await super().__aexit__(exc_type, exc, traceback)
            if isinstance(exc, Exception):
                raise ConnectionError("the connection was left by an error") from exc


@caught_by("test_receiving_from_a_closed_socket_ends")
class RaisesAtTheEnd(Mutant):
    """The end of a subscription is the error of a driver."""

    class Subscription(base.Subscription):
        async def receive_batch(self, max_messages: int) -> Sequence[Delivery]:
            try:
                return await super().receive_batch(max_messages)
            except EndOfSubscription as end:
                raise ConnectionResetError("the channel is closed") from end
