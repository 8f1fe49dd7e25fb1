"""Which of the packets that come are further copies of one message; for one subscription on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_mqtt import properties
from spa_mqtt.packets import MalformedPacketError
from spa_mqtt.wire import from_wire

if TYPE_CHECKING:
    from spa_mqtt.packets import Incoming
    from spa_mqtt.routes import Routes

__all__ = ["Copies"]


class Copies:
    """
    Tells copies from messages, by their subscription identifiers or, where the broker has none, by the sender's ids.

    Args:
        routes: What was subscribed to.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._last_id: str | None = None

    def counts(self, incoming: Incoming) -> bool:
        """Return whether a packet is the copy of its message that is handed out."""
        if self._routes.is_single:
            return True
        try:
            identifiers = properties.identifiers(incoming.properties)
        except MalformedPacketError:
            return True
        if identifiers or not self._routes.overlap(incoming.topic):
            return self._routes.counts(incoming.topic, identifiers)
        # Copies come one behind the other. Only a message's own id can tell a copy from an equal message.
        last, self._last_id = self._last_id, from_wire(incoming).message_id
        return self._last_id is None or self._last_id != last
