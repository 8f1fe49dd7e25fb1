"""
paho, as far as it is used: it speaks CONNECT, SUBSCRIBE, PINGREQ and DISCONNECT, and splits the stream into packets.

Everything that is private to paho or aiomqtt is used here and nowhere else; a test fails when it changes. The packets
of messages are handed on unread: paho reads them slowly, and acknowledges level 2 before anybody has handled it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from spa_mqtt import packets
from spa_mqtt.address import WEBSOCKET_SCHEMES
from spa_mqtt.connecting import Connack
from spa_mqtt.packets import MalformedPacketError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spa_mqtt.connecting import Filter, Settings
    from spa_mqtt.packets import Incoming

__all__ = ["Driver", "Events", "connack", "refusal"]

_OURS: Final = 0xC0
"""The kind that our own packets are queued under: PINGREQ's, for which paho does nothing special when it is sent."""

_TOLD: Final = {
    "receive_maximum": "ReceiveMaximum",
    "maximum_packet_size": "MaximumPacketSize",
    "maximum_qos": "MaximumQoS",
    "identifiers": "SubscriptionIdentifierAvailable",
}
"""What a CONNACK may tell, in our words and in paho's."""


class Events(Protocol):
    """What a driver tells, while it reads, writes or ticks."""

    def connected(self, code: int, *, session_present: bool, properties: object) -> None:
        """A CONNACK came."""

    def answered(self, mid: int, codes: list[int]) -> None:
        """A SUBACK or an UNSUBACK came."""

    def ponged(self) -> None:
        """A PINGRESP came."""

    def arrived(self, incoming: Incoming) -> None:
        """A PUBLISH came."""

    def confirmed(self, mid: int, code: int) -> None:
        """A PUBACK or a PUBCOMP came."""

    def received(self, mid: int, code: int) -> None:
        """A PUBREC came."""

    def released(self, mid: int) -> None:
        """A PUBREL came."""

    def lost(self, code: int, *, by_broker: bool) -> None:
        """The connection has ended; *code* is the broker's own if it said DISCONNECT."""

    def wants_to_write(self) -> None:
        """There is something to write."""

    def leaves(self, descriptor: int) -> None:
        """A descriptor is about to be closed."""

    def written(self, descriptor: int) -> None:
        """There is nothing more to write."""


class Driver:
    """
    One paho client, for one connection.

    Args:
        settings: What to connect with.
        events: Who is told what comes.
    """

    def __init__(self, settings: Settings, events: Events) -> None:
        self._settings = settings
        self._is_websocket = settings.config.scheme in WEBSOCKET_SCHEMES
        self._socket: Any = None
        self._paho: Any = _set_up(settings, events)

    def open(self, opened: Any) -> None:  # noqa: ANN401 - of `open_way`
        """Send CONNECT over a socket, which is the driver's from now on."""
        settings = self._settings
        self._socket = opened
        self._paho._create_socket = lambda: opened  # noqa: SLF001
        host = settings.host
        name, port = (host.name, host.port) if host is not None else (settings.config.unix_path, 1)
        more: dict[str, Any] = {}
        if settings.is_v5:
            more = {"clean_start": settings.clean_start, "properties": _connect_properties(settings)}
        self._paho.connect(name, port, int(settings.config.keepalive), **more)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        number: int = self._socket.fileno()
        return number

    def read(self) -> bool:
        """Read, and tell what came; return whether there is more that the system does not know of."""
        self._paho.loop_read()
        return bool(self._socket.pending())

    def queue(self, packet: bytes) -> None:
        """Put bytes behind what is to be written."""
        # A view, of which the rest can be sent without copying it each time.
        whole = packet if self._is_websocket else memoryview(packet)
        self._paho._packet_queue(_OURS, whole, 0, 0)  # noqa: SLF001

    def write(self) -> bool:
        """Write as much as there is room for; return whether there is more."""
        self._paho.loop_write()
        return bool(self._paho.want_write())

    def tick(self) -> None:
        """Look after the keepalive; to be called about once a second."""
        self._paho.loop_misc()

    def is_alive(self) -> None:
        """Note that the broker is there, whether it has answered the last PINGREQ or not."""
        self._paho._ping_t = 0.0  # noqa: SLF001

    def close(self) -> None:
        """Close the socket, telling nobody."""
        self._paho._sock_close()  # noqa: SLF001

    def next_mid(self, *, after: int) -> int:
        """Return the next packet identifier, from 1 to 65535, round and round; never one that a SUBSCRIBE has."""
        # A new connection counts on from where the last one was.
        self._paho._last_mid = max(self._paho._last_mid, after)  # noqa: SLF001
        number: int = self._paho._mid_generate()  # noqa: SLF001
        return number

    def subscribe(self, wanted: Filter) -> int | None:
        """Send SUBSCRIBE, and return its packet identifier; ``None`` if the connection has ended."""
        mid: int | None
        if not self._settings.is_v5:
            _, mid = self._paho.subscribe(wanted.text, wanted.qos)
            return mid
        options = SubscribeOptions(qos=wanted.qos, retainHandling=wanted.retain_handling)
        identifier = None if wanted.identifier is None else _Packed(b"\x0b" + packets.varint(wanted.identifier))
        _, mid = self._paho.subscribe(wanted.text, options=options, properties=identifier)
        return mid

    def unsubscribe(self, filters: Sequence[str]) -> int | None:
        """Send UNSUBSCRIBE, and return its packet identifier; ``None`` if the connection has ended."""
        mid: int | None
        _, mid = self._paho.unsubscribe(list(filters))
        return mid


class _Paho(paho.Client):
    """A paho client that hands the packets of messages on; aiomqtt makes one, whose class is changed to this one."""

    events: Events
    _in_packet: Any

    def _handle_publish(self) -> MQTTErrorCode:
        first, body = self._in_packet["command"], bytes(self._in_packet["packet"])
        has_properties = self._protocol == paho.MQTTv5
        return _handed_on(lambda: self.events.arrived(packets.read_publish(first, body, has_properties=has_properties)))

    def _handle_pubackcomp(self, cmd: str) -> MQTTErrorCode:  # noqa: ARG002 - both mean the end
        return _handed_on(lambda: self.events.confirmed(*self._confirmation()))

    def _handle_pubrec(self) -> MQTTErrorCode:
        return _handed_on(lambda: self.events.received(*self._confirmation()))

    def _handle_pubrel(self) -> MQTTErrorCode:
        return _handed_on(lambda: self.events.released(self._confirmation()[0]))

    def _handle_pingresp(self) -> MQTTErrorCode:
        self.events.ponged()
        return super()._handle_pingresp()

    def _confirmation(self) -> tuple[int, int]:
        return packets.read_confirmation(bytes(self._in_packet["packet"]))


class _Packed:
    """Properties that are encoded already, in the place of paho's own, which take thirty times as long."""

    def __init__(self, encoded: bytes) -> None:
        self._encoded = packets.varint(len(encoded)) + encoded

    def pack(self) -> bytes:
        """Return them with their length, as paho puts them into a packet."""
        return self._encoded


def refusal(code: int) -> Exception:
    """Return the error with which aiomqtt tells of a refused connection, as the cause of our own."""
    return aiomqtt.MqttCodeError(code, f"CONNACK with reason code {code}")


def connack(properties: object, *, session_present: bool, is_v5: bool) -> Connack:
    """Return what a CONNACK says, out of paho's properties."""
    told: dict[str, Any] = {
        ours: getattr(properties, theirs) for ours, theirs in _TOLD.items() if hasattr(properties, theirs)
    }
    told["identifiers"] = is_v5 and bool(told.get("identifiers", 1))
    return Connack(session_present=session_present, **told)


def _handed_on(step: Callable[[], None]) -> MQTTErrorCode:
    try:
        step()
    except MalformedPacketError:
        return MQTTErrorCode.MQTT_ERR_PROTOCOL
    return MQTTErrorCode.MQTT_ERR_SUCCESS


def _set_up(settings: Settings, events: Events) -> Any:  # noqa: ANN401 - a paho client, used beyond its types
    config = settings.config
    client = aiomqtt.Client(
        "unused",  # the socket is opened by us
        username=config.username,
        password=None if config.password is None else config.password.reveal(),
        identifier=settings.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if settings.is_v5 else aiomqtt.ProtocolVersion.V311,
        clean_session=None if settings.is_v5 else settings.clean_start or not settings.session_expiry,
    )
    made: Any = client._client  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    made.__class__ = _Paho
    made.events = events
    made.disable_logger()
    _listen(made, events)
    if settings.has_will and config.will_topic is not None:
        made.will_set(config.will_topic, config.will_payload, config.will_qos, config.will_retain)
        if settings.is_v5:
            made._will_properties = _Packed(b"\x18" + int(config.will_delay).to_bytes(4, "big"))  # noqa: SLF001
    return made


def _listen(made: Any, events: Events) -> None:  # noqa: ANN401 - a paho client
    """Take aiomqtt's callbacks away, and set our own."""

    def connected(_client: object, _data: object, flags: Any, code: Any, properties: object) -> None:  # noqa: ANN401
        events.connected(code.value, session_present=flags.session_present, properties=properties)

    def lost(_client: object, _data: object, flags: Any, code: Any, _properties: object) -> None:  # noqa: ANN401
        events.lost(code.value, by_broker=flags.is_disconnect_packet_from_server)

    def answered(_client: object, _data: object, mid: int, codes: list[Any], _properties: object) -> None:
        events.answered(mid, [code.value for code in codes])

    def leaves(_client: object, _data: object, closed: Any) -> None:  # noqa: ANN401 - of `open_way`
        events.leaves(closed.fileno())

    def wants_to_write(_client: object, _data: object, _socket: object) -> None:
        events.wants_to_write()

    def written(_client: object, _data: object, idle: Any) -> None:  # noqa: ANN401 - of `open_way`
        events.written(idle.fileno())

    made.on_connect = connected
    made.on_disconnect = lost
    made.on_subscribe = made.on_unsubscribe = answered
    made.on_message = made.on_publish = made.on_socket_open = None
    made.on_socket_close = leaves
    made.on_socket_register_write = wants_to_write
    made.on_socket_unregister_write = written


def _connect_properties(settings: Settings) -> _Packed:
    encoded = b"\x11" + settings.session_expiry.to_bytes(4, "big")
    encoded += b"\x21" + settings.receive_maximum.to_bytes(2, "big")
    if settings.config.max_packet_size is not None:
        encoded += b"\x27" + settings.config.max_packet_size.to_bytes(4, "big")
    return _Packed(encoded)
