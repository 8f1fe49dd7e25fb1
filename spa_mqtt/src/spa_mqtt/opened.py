"""
What a socket has while it is open: its own connection, its subscriptions, and what is told and counted of them.

How it is entered, used and left is the socket's business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spa_core.transport import ConnectionEvent
from spa_mqtt.link import Link
from spa_mqtt.publishing import Publisher
from spa_mqtt.replies import Replies
from spa_mqtt.sessions import claim_publisher, release
from spa_mqtt.tls import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from spa_core.transport import ConnectionListener
    from spa_mqtt.client import Connection
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.connecting import Connack
    from spa_mqtt.packets import Incoming
    from spa_mqtt.sessions import Session
    from spa_mqtt.subscription import MqttSubscription

__all__ = ["OpenSocket", "counted"]

_ANSWER_SESSION: Final = 60.0
"""Seconds for which replies wait at the broker while the connection is away."""


class OpenSocket:
    """
    What a socket has while it is open; the duty of its own link.

    Args:
        config: The configuration.
        on_connection: Told of each change.

    Attributes:
        link: The socket's own connection.
        publisher: Publishes over it.
        replies: The reply subscriptions on it.
        subscriptions: All others.
        tls: What connections are encrypted with.
    """

    link: Link
    publisher: Publisher
    replies: Replies

    def __init__(self, config: MqttConfig, on_connection: ConnectionListener) -> None:
        self._config = config
        self._on_connection = on_connection
        self._down: set[Link] = set()
        self._lost = 0
        self._left = counted([], lost=0)
        self._session: Session = claim_publisher(config)
        self.subscriptions: set[MqttSubscription] = set()
        self.tls: ssl.SSLContext | None = None

    async def open(self) -> None:
        """
        Connect, and tell of it.

        Raises:
            ConnectError: Not connected in time, or refused for good.
            ParameterError: A file that the configuration names cannot be read.
        """
        try:
            self.tls = await tls_context(self._config)
            self.link = Link(
                self._config,
                self,
                client_id=self._session.name,
                tls=self.tls,
                session_expiry=max(_ANSWER_SESSION, self._config.will_delay),
                receive_maximum=65_535,
                on_change=lambda reason: self.changed(self.link, reason),
                has_will=True,
                clean_start=True,
            )
            self.publisher = Publisher(self._config, self.link)
            self.replies = Replies(self._config, self.link)
            await self.link.open()
        except BaseException:
            release(self._session)
            raise
        self._on_connection(ConnectionEvent(state="connected"))

    async def close(self) -> None:
        """Leave all subscriptions, wait for confirmations under way, disconnect, and tell of it."""
        leaving = tuple(self.subscriptions)
        self.subscriptions.clear()  # nobody is anybody's heir any more
        await asyncio.gather(*(subscription.close(None) for subscription in leaving))
        self._note_left(*leaving)
        await self.publisher.close()
        await self.link.close(forget=True)
        release(self._session)
        self._on_connection(ConnectionEvent(state="closed"))

    async def leave(self, subscription: MqttSubscription) -> None:
        """Leave one subscription, unless the socket was closed meanwhile."""
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
            await subscription.close(self._heir(subscription))
            self._note_left(subscription)

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted so far, subscriptions that were left included."""
        now = counted(self.subscriptions, lost=self._lost)
        return {name: count + self._left[name] for name, count in now.items()}

    def _note_left(self, *subscriptions: MqttSubscription) -> None:
        left = counted(subscriptions, lost=0)
        self._left = {name: count + self._left[name] for name, count in left.items()}

    def _heir(self, leaving: MqttSubscription) -> MqttSubscription | None:
        """Return a member of the same group on this socket that can go on with what another one leaves."""
        alike = (each for each in self.subscriptions if each.group == leaving.group and each.is_fetching)
        return None if leaving.group is None else next(alike, None)

    def changed(self, link: Link, reason: str | None) -> None:
        """Tell of the first connection that is lost, and when the last one is back."""
        was_down = bool(self._down)
        if reason is None:
            self._down.discard(link)
        else:
            self._lost += 1
            self._down.add(link)
        if was_down and not self._down:
            self._on_connection(ConnectionEvent(state="connected"))
        elif self._down and not was_down:
            self._on_connection(ConnectionEvent(state="disconnected", reason=reason or ""))

    async def restore(self, connection: Connection, connack: Connack) -> None:
        """Subscribe to replies, let other subscriptions go first, then publish."""
        await self.replies.restore(connection)
        await self.link.peers.until_complete()
        if not connection.is_over:
            self.publisher.restore(connection, connack)

    def lost(self) -> None:
        """Tell the publishing half and the replies."""
        self.replies.lost()
        self.publisher.lost()

    def on_message(self, incoming: Incoming) -> None:
        """Hand a reply on."""
        self.replies.on_message(incoming)

    def on_confirmed(self, mid: int, code: int) -> None:
        """End a publish."""
        self.publisher.on_confirmed(mid, code)


def counted(subscriptions: Iterable[MqttSubscription], *, lost: int) -> Mapping[str, int]:
    """Return what subscriptions have counted, and connections that were *lost*, by name."""
    each = list(subscriptions)
    return {
        "dropped": sum(subscription.dropped for subscription in each),
        "expired": sum(subscription.expired for subscription in each),
        "lost connections": lost,
    }
