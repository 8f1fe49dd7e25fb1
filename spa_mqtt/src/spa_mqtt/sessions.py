"""
The sessions that this process has at brokers: their names, each used once at a time, and what is known of them; no I/O.

A broker knows a session by its client id and takes it from whoever had it before: two of ours must never ask for one.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from typing import TYPE_CHECKING, Final

from spa_mqtt.peers import broker_name

if TYPE_CHECKING:
    from spa_core.transport import SubscriptionSpec
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.packets import Incoming

__all__ = ["Session", "claim_publisher", "claim_subscription", "release", "session_seconds"]

_LEAST_REMEMBERED: Final = 256

_NAMELESS_MEMBER: Final = 15.0
"""Seconds for which a nameless member of a group is waited for: its share of the messages is kept for it until then."""


class Session:
    """
    One session.

    Attributes:
        name: Its client id.
        is_kept: Whether it outlives its subscription.
        is_known: Whether we know all that was ever handed out of it.
    """

    def __init__(self, key: tuple[str, str], *, is_kept: bool) -> None:
        self.key = key
        self.name = key[1]
        self.is_kept = is_kept
        self.is_known = False
        self._remembered = _LEAST_REMEMBERED
        self._attempts: dict[int, int] = {}
        self._finished: dict[int, int] = {}

    def remember(self, window: int) -> None:
        """Remember as many messages as can be under way, twice over."""
        self._remembered = max(self._remembered, 2 * window)

    def attempt(self, incoming: Incoming) -> int:
        """
        Return which attempt the delivery of a message that came is: the first, unless it was handed out before.

        It is 0 for one that was finished, when the connection ended before the broker knew.
        """
        mid = incoming.mid
        if not incoming.dup:
            self._attempts.pop(mid, None)
            self._finished.pop(mid, None)
            return 1
        # The sender's own id is among the properties, so that an identifier in use again cannot be mistaken.
        if mid in self._finished and self._finished[mid] == hash(incoming.properties):
            return 0
        return self._attempts.get(mid, 0 if self.is_known else 1) + 1

    def handed_out(self, mid: int, attempt: int) -> None:
        """Note an attempt; it is remembered for a while, because the broker may not know how it ended."""
        self._note(self._attempts, mid, attempt)

    def finished(self, incoming: Incoming) -> None:
        """Note that a message is finished, if it can be told from every other by its sender's id."""
        if _MESSAGE_ID in incoming.properties:
            self._note(self._finished, incoming.mid, hash(incoming.properties))

    def begins_anew(self) -> None:
        """Note that the broker knows nothing of the session, so that whatever comes of it is new."""
        self._attempts.clear()
        self._finished.clear()
        self.is_known = True

    def _note(self, notes: dict[int, int], mid: int, value: int) -> None:
        notes.pop(mid, None)
        notes[mid] = value
        if len(notes) > self._remembered:
            del notes[next(iter(notes))]


_MESSAGE_ID: Final = b"spa-message-id"

_in_use: dict[tuple[str, str], Session] = {}
_kept: dict[tuple[str, str], Session] = {}


def claim_publisher(config: MqttConfig) -> Session:
    """Return the session of a socket's own connection: the configured client id, or a random one."""
    return _claim(config, config.client_id or _random(), is_kept=False)


def claim_subscription(config: MqttConfig, spec: SubscriptionSpec) -> Session:
    """
    Return the session of a subscription: with a configured client id one that the same subscription finds again.

    Several members of a group in one process have one each, told apart by number.
    """
    if config.client_id is None:
        return _claim(config, _random(), is_kept=False)
    asked = "\0".join([spec.group or "", *sorted(spec.topics)])
    digest = hashlib.sha256(asked.encode()).hexdigest()[:8]
    return _claim(config, f"{config.client_id}-{digest}", is_kept=config.is_persistent and spec.group is not None)


def session_seconds(config: MqttConfig, spec: SubscriptionSpec) -> float:
    """Return for how long the broker is to keep a session: not for long if nobody can come back to it after a crash."""
    if spec.group is not None and config.client_id is None and config.session_expiry is None:
        return min(_NAMELESS_MEMBER, config.session_seconds)
    return config.session_seconds


def release(session: Session) -> None:
    """Let the name be used again."""
    if _in_use.pop(session.key, None) is not None and session.is_kept:
        _kept[session.key] = session


def _claim(config: MqttConfig, base: str, *, is_kept: bool) -> Session:
    broker = broker_name(config)
    for number in itertools.count(1):
        key = broker, base if number == 1 else f"{base}~{number}"
        if key not in _in_use:
            _in_use[key] = session = _kept.pop(key, None) or Session(key, is_kept=is_kept)
            return session
    raise AssertionError  # there is always another number


def _random() -> str:
    return f"spa-{os.urandom(8).hex()}"
