"""
What the links of this process to one broker know of each other: that it is back, and who must be back first.

A broker that has forgotten a subscription, as Mosquitto 2.0 forgets shared ones when it restarts, confirms what is
published for it and throws it away. So nothing is published before the subscriptions of this process are there again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio

from spa_mqtt.outage import Outage

if TYPE_CHECKING:
    from spa_mqtt.config import MqttConfig

__all__ = ["Peers", "broker_name", "peers_at"]

_PATIENCE: Final = 2.0
"""Seconds that publishers wait at most: a subscription that the broker refuses must not silence them for ever."""


class Peers:
    """
    The links of one event loop to one broker.

    Attributes:
        outage: What the log is told while they are lost.
    """

    def __init__(self) -> None:
        self.outage = Outage()
        self._missing: set[object] = set()
        self._complete = asyncio.Event()
        self._back = asyncio.Event()

    def missing(self, subscription: object) -> None:
        """Note that a subscription's connection is lost."""
        self._missing.add(subscription)
        self._complete.clear()

    def present(self, subscription: object) -> None:
        """Note that a subscription is there again, or was left."""
        self._missing.discard(subscription)
        if not self._missing:
            self._complete.set()

    async def until_complete(self) -> None:
        """Wait until no subscription is missing, or for two seconds."""
        if self._missing:
            with anyio.move_on_after(_PATIENCE):
                await self._complete.wait()

    def is_back(self) -> None:
        """Say that the broker is there: whoever pauses before another attempt makes it now."""
        self._back.set()
        self._back = asyncio.Event()

    async def until_back(self, seconds: float) -> None:
        """Wait until another link is connected, or until the time is over."""
        with anyio.move_on_after(seconds):
            await self._back.wait()


# The links hold it, so that it ends with the last of them, and keeps no event loop that has ended.
_peers: Final[WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], Peers]] = WeakValueDictionary()


def peers_at(config: MqttConfig) -> Peers:
    """Return what is shared by all links of this event loop to one broker."""
    return _peers.setdefault((asyncio.get_running_loop(), broker_name(config)), Peers())


def broker_name(config: MqttConfig) -> str:
    """Return what tells one broker from another."""
    return config.unix_path or ",".join(map(str, config.addresses))
