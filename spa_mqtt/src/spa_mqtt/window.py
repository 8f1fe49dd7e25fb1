"""How many messages a broker sends ahead of their acknowledgement, and when that holds up a subscription."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from spa_mqtt.arrivals import Item

if TYPE_CHECKING:
    from spa_core.transport import SubscriptionSpec
    from spa_mqtt.inflight import Inflight

__all__ = ["Window"]

logger = logging.getLogger("spa_mqtt.window")

_OF_3_1_1: Final = 20
"""Messages that Mosquitto sends ahead where the client cannot say how many it takes."""


class Window:
    """What a subscription's broker sends ahead; says once if a message that waits for its retry stops it."""

    def __init__(self, spec: SubscriptionSpec) -> None:
        self._spec = spec
        self._has_warned = False

    def look_at(self, inflight: Inflight, *, is_v5: bool, now: float) -> None:
        """Warn if the window is full behind a delayed retry, because acknowledgements go in order."""
        size = self._spec.prefetch if is_v5 else min(self._spec.prefetch, _OF_3_1_1)
        if self._has_warned or len(inflight) < size:
            return
        oldest = inflight.oldest
        if isinstance(oldest, Item) and oldest.due is not None:
            self._has_warned = True
            logger.warning(
                "nothing more comes of %s for %.0f s: a message on %r waits for its delayed retry, and MQTT "
                "acknowledges in order; use shorter delays or a larger prefetch",
                ", ".join(self._spec.topics),
                oldest.due - now,
                oldest.incoming.topic,
            )
