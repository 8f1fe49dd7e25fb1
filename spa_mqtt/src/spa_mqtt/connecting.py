"""What a connection is made with, what it is told and what it tells: the words between `client` and the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    import ssl

    from spa_core.url import Host
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.failures import Loss
    from spa_mqtt.packets import Incoming

__all__ = ["Connack", "Filter", "Listener", "Settings"]


class Settings(NamedTuple):
    """
    What one attempt to connect is made with.

    Attributes:
        config: The way to the broker, credentials, keepalive and the will.
        host: The broker to try; ``None`` for a unix socket.
        tls: What to encrypt with.
        client_id: The session's name.
        is_v5: Whether to speak MQTT 5, else 3.1.1.
        clean_start: Whether the broker is to forget the session first.
        session_expiry: Seconds for which the broker keeps it when the connection ends.
        receive_maximum: The most messages that may come unacknowledged.
        has_will: Whether this connection carries the configured will.
    """

    config: MqttConfig
    host: Host | None
    tls: ssl.SSLContext | None
    client_id: str
    is_v5: bool
    clean_start: bool
    session_expiry: int
    receive_maximum: int
    has_will: bool

    @property
    def where(self) -> str:
        """The broker, for people."""
        return self.config.unix_path or str(self.host)


class Connack(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker said when it accepted the connection; the defaults are those of MQTT 5, 3.2.2.3."""

    session_present: bool
    receive_maximum: int = 65_535
    maximum_packet_size: int | None = None
    maximum_qos: int = 2
    identifiers: bool = True


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """
    One filter of a SUBSCRIBE.

    Attributes:
        text: The filter as the broker is to see it.
        qos: The highest level wanted.
        retain_handling: 0: send kept messages; 1: only if the subscription is new; 2: never.
        identifier: Comes back with every message; ``None`` for none.
    """

    text: str
    qos: int
    retain_handling: int = 0
    identifier: int | None = None


class Listener(Protocol):
    """What a connection calls, from the event loop; nothing of it may raise or block."""

    def on_message(self, incoming: Incoming) -> None:
        """A message came; it stays unacknowledged until `Connection.acknowledge`."""

    def on_confirmed(self, mid: int, code: int) -> None:
        """A publish is confirmed, or refused by a code from 0x80 on."""

    def on_lost(self, loss: Loss) -> None:
        """The connection ended, once; nothing else is called any more."""
