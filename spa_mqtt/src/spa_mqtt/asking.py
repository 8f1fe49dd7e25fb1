"""How a broker is asked for the messages of a subscription, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_mqtt.connecting import Filter
from spa_mqtt.failures import REFUSAL, subscribe_refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.transport import SubscriptionSpec
    from spa_mqtt.client import Connection
    from spa_mqtt.connecting import Connack

__all__ = ["asked_for", "subscribe"]


def asked_for(spec: SubscriptionSpec, filters: Sequence[str]) -> list[str]:
    """Return filters as the broker is told of them: those of a group are shared (MQTT 5, 4.8.2)."""
    prefix = "" if spec.group is None else f"$share/{spec.group}/"
    return [prefix + each for each in filters]


async def subscribe(
    connection: Connection, connack: Connack, spec: SubscriptionSpec, filters: Sequence[str], *, qos: int
) -> None:
    """
    Subscribe; several filters get identifiers where the broker has those, to tell copies of a message apart.

    Raises:
        SubscribeError: The broker refused one.
        DisconnectedError: The connection ended first.
    """
    greeting = 2 if spec.group is not None else int(connack.session_present)
    has_identifiers = connack.identifiers and len(filters) > 1
    asked = [
        Filter(
            text=text,
            qos=min(qos, connack.maximum_qos),
            retain_handling=greeting,
            identifier=place if has_identifiers else None,
        )
        for place, text in enumerate(asked_for(spec, filters), start=1)
    ]
    for each, code in zip(asked, await connection.subscribe(asked), strict=True):
        if code >= REFUSAL:
            raise subscribe_refused(spec.topics, each.text, code)
