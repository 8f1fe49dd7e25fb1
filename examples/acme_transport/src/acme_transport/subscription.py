"""The reading side: asks the broker for as much as it is asked for, and says how each delivery ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from acme_transport.wire import Batch, Connection, Fetch, Settle, Subscribe
from spa_core.transport import BoundedInbox, Outcome, Retry, SettleOnce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core import SpaMessage
    from spa_core.transport import SubscriptionSpec


class AcmeDelivery(SettleOnce):
    """A message handed out; it can be settled over the connection that brought it, and no other."""

    def __init__(
        self, message: SpaMessage, number: int, subscription: AcmeSubscription, connection: Connection
    ) -> None:
        super().__init__(message)
        self._number = number
        self._subscription = subscription
        self._connection = connection

    async def apply(self, outcome: Outcome) -> bool:
        """Tell the broker, without waiting for it."""
        if self._subscription.left or self._connection.over.is_set():
            return False  # the broker has it back
        again = isinstance(outcome, Retry)
        self._connection.post(Settle(self._subscription.number, self._number, again))
        return True


class AcmeSubscription:
    """A live subscription; see ``spa_core.transport.Subscription``."""

    def __init__(self, number: int, spec: SubscriptionSpec, connection: Connection) -> None:
        self.number = number
        self.left = False
        self._spec = spec
        self._connection = connection
        # The broker hands out no more than that unsettled, so the inbox is never full.
        self._inbox = BoundedInbox[AcmeDelivery](spec.prefetch, overflow="refuse")
        self._turn = anyio.Lock()
        self._wanted = 0
        self._fetching = False

    def request(self, number: int) -> Subscribe:
        """Return what subscribes, as a request of that *number*."""
        return Subscribe(number, self.number, self._spec.topics, self._spec.group, self._spec.prefetch)

    def move_to(self, connection: Connection, number: int) -> None:
        """Go on over a new connection; the broker has back what the old one brought, and keeps it for a group only."""
        if self._spec.group is not None:
            self._inbox.drain()
        self._connection = connection
        self._connection.post(self.request(number))
        self._fetching = False
        if self._wanted:
            self._fetch(self._wanted)

    async def receive_batch(self, max_messages: int) -> Sequence[AcmeDelivery]:
        """Wait for messages; a cancelled call leaves what it has asked for to the next one."""
        async with self._turn:
            self._wanted = max_messages
            try:
                if not self._inbox and not self._fetching:
                    self._fetch(max_messages)
                return await self._inbox.receive_batch(max_messages)
            finally:
                self._wanted = 0

    def put(self, batch: Batch) -> None:
        """Take in what was fetched; once stopped, give it back."""
        self._fetching = False
        for number, message in batch.messages:
            if not self._inbox.put(AcmeDelivery(message, number, self, self._connection)):
                self._connection.post(Settle(self.number, number, again=True))

    async def stop_fetching(self) -> None:
        """Hand out nothing more; others of the group get what waits here."""
        self._inbox.stop()
        for delivery in self._inbox.drain():
            await delivery.settle(Retry())

    def leave(self) -> None:
        """End the subscription on this side."""
        self.left = True
        self._inbox.stop()

    def _fetch(self, most: int) -> None:
        self._fetching = True
        self._connection.post(Fetch(self.number, most))
