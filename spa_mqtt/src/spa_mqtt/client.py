"""
The one seam over aiomqtt and paho: one connection, from CONNECT to its end, as typed calls and three callbacks.

It knows packets and nothing of messages. aiomqtt sets paho up; its own reading is not used, because it acknowledges on
arrival, loses a message when it is cancelled, and hides what the broker answers.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions

from spa_core.errors import ConnectError, DisconnectedError
from spa_mqtt import packets
from spa_mqtt.address import WEBSOCKET_SCHEMES
from spa_mqtt.connecting import Connack
from spa_mqtt.dialing import dial, dial_unix, encrypted
from spa_mqtt.failures import Loss, encryption_failed, refused, unreachable
from spa_mqtt.failures import reason as in_words
from spa_mqtt.packets import MalformedPacketError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from paho.mqtt.reasoncodes import ReasonCode

    from spa_mqtt.connecting import Filter, Listener, Settings
    from spa_mqtt.packets import Incoming

__all__ = ["Connection"]

logger = logging.getLogger("spa_mqtt.client")

_CHUNK: Final = 65_536
_TICK: Final = 1.0
"""Seconds between looks at the keepalive."""

_RAW: Final = 0xC0
"""The kind that our own packets are queued under: PINGREQ's, for which paho does nothing special when it is sent."""


class Connection:
    """
    One connection; made anew for each attempt, used from one event loop.

    Args:
        settings: What to connect with.
        listener: Who is told what comes.

    Attributes:
        stage: What it is doing on its way to be connected, for people; then ``"connected"``.
        refusal: The reason code that the broker refused the connection with, if it did.
    """

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self._settings = settings
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[Connack] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._pongs: list[asyncio.Future[None]] = []
        self._drains: list[asyncio.Future[None]] = []
        self._outgoing: list[bytes] = []
        self._flushing = False
        self._paused = False
        self._read_at = 0.0
        self._over: Loss | None = None
        self._ended = asyncio.Event()
        self._ticker: asyncio.TimerHandle | None = None
        self._socket: _Buffered | Any = None
        self._paho = _set_up(settings, self)
        self.stage = "connecting"
        self.refusal: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._over is not None

    @property
    def has_begun(self) -> bool:
        """Whether the broker has been asked for a session."""
        return self._ticker is not None

    # -- opening and ending --------------------------------------------------------------------------------------------

    async def connect(self) -> Connack:
        """
        Connect, and return what the broker said; whoever gives up aborts.

        Raises:
            AuthenticationError: The broker refused the credentials.
            ConnectError: It cannot be reached, speaks something else, or refused; ``retriable`` tells whether another
                attempt can help.
        """
        self._open(await self._dial())
        self.stage = "waiting for the broker's answer to CONNECT"
        return await self._connack

    async def disconnect(self, *, forget: bool) -> None:
        """
        Say DISCONNECT behind all that was sent, and wait until the broker has ended the connection.

        Only then everything before is known to have been read. The caller sets a deadline, and aborts.

        Args:
            forget: Whether the broker is to end the session too, whatever its expiry.
        """
        if self._over is None:
            properties = b"\x00\x05\x11\x00\x00\x00\x00" if forget and self._settings.is_v5 else b""
            self._send(bytes((0xE0, len(properties))) + properties)
            await self._ended.wait()

    def abort(self) -> None:
        """End the connection at once; the listener is told nothing any more."""
        self._finish(Loss("it was closed"), tell=False)
        self._paho._sock_close()  # noqa: SLF001 - paho's only way that waits for nothing

    # -- what is sent --------------------------------------------------------------------------------------------------

    def next_mid(self, *, after: int) -> int:
        """Return the next packet identifier, from 1 to 65535, round and round; never one that a SUBSCRIBE has."""
        if after > self._paho._last_mid:  # noqa: SLF001 - a new connection counts on from where the last one was
            self._paho._last_mid = after  # noqa: SLF001
        return self._paho._mid_generate()  # noqa: SLF001 - shared with paho's own packets

    def publish(self, packet: bytes) -> None:
        """Send a PUBLISH packet."""
        self._send(packet)

    def acknowledge(self, acks: Sequence[tuple[int, int]]) -> None:
        """Acknowledge messages, each by its identifier and level, in this order."""
        self._send(
            b"".join(packets.confirmation(packets.PUBACK if qos == 1 else packets.PUBREC, mid) for mid, qos in acks)
        )

    async def subscribe(self, filters: Sequence[Filter]) -> list[int]:
        """
        Subscribe, and return the broker's answer for each filter: the level granted, or a code from 0x80 on.

        Raises:
            DisconnectedError: The connection ended first.
        """
        answers = [self._asked(self._subscribe(each)) for each in filters]
        return [(await answer)[0] for answer in answers]

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """
        Unsubscribe; nothing new comes for these filters once it returns.

        Raises:
            DisconnectedError: The connection ended first.
        """
        _, mid = self._paho.unsubscribe(list(filters))
        await self._asked(mid)

    async def ping(self) -> None:
        """
        Return when the broker has answered.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        pong = self._loop.create_future()
        self._pongs.append(pong)
        self._send(b"\xc0\x00")
        await pong

    async def drained(self) -> None:
        """
        Return when all that was sent so far has been handed to the operating system.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        if self._outgoing or self._paho.want_write():
            drain = self._loop.create_future()
            self._drains.append(drain)
            await drain

    # -- what is read --------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading, but for now and then, so that the connection stays alive."""
        if not self._paused and self._over is None:
            self._paused = True
            self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        """Read again."""
        if self._paused and self._over is None:
            self._paused = False
            self._loop.add_reader(self._socket.fileno(), self._readable)
            self._loop.call_soon(self._readable)

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _dial(self) -> Any:  # noqa: ANN401 - a socket, or what paho makes of one
        settings, config = self._settings, self._settings.config
        raw: socket.socket | None = None
        try:
            if settings.host is None:
                return await dial_unix(config.unix_path or "")
            raw = await dial(settings.host, nodelay=config.nodelay)
            if settings.tls is not None:
                self.stage = "encrypting"
                raw = await encrypted(raw, settings.tls, settings.host.name)
            return raw if config.scheme not in WEBSOCKET_SCHEMES else await self._upgraded(raw)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise encryption_failed(settings.where, error) from error
        except paho.WebsocketConnectionError as error:
            raise ConnectError(f"{settings.where} gives no MQTT over websockets: {error}") from error
        except OSError as error:
            raise unreachable(settings.where, error) from error
        except BaseException:
            if raw is not None:
                raw.close()
            raise

    async def _upgraded(self, raw: socket.socket) -> Any:  # noqa: ANN401 - paho's wrapper
        self.stage = "upgrading to a websocket"
        config, host = self._settings.config, self._settings.host
        raw.settimeout(config.connect_timeout)
        is_tls = self._settings.tls is not None
        wrap = partial(paho._WebsocketWrapper, raw, host.name, host.port, is_tls, config.websocket_path, None)  # noqa: SLF001
        try:
            return await self._loop.run_in_executor(None, wrap)
        except BaseException:
            raw.close()
            raise

    def _open(self, opened: Any) -> None:  # noqa: ANN401 - a socket, or what paho makes of one
        settings = self._settings
        # paho's websocket does its own buffering, and counts on being asked again for the same number of bytes.
        self._socket = opened if settings.config.scheme in WEBSOCKET_SCHEMES else _Buffered(opened)
        self._paho._create_socket = lambda: self._socket  # noqa: SLF001
        host = settings.host
        name, port = (host.name, host.port) if host is not None else (settings.config.unix_path, 1)
        options = {"clean_start": settings.clean_start, "properties": _connect_properties(settings)}
        self._paho.connect(name, port, int(settings.config.keepalive), **(options if settings.is_v5 else {}))
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._ticker = self._loop.call_later(_TICK, self._tick)

    def _readable(self) -> None:
        self._guarded(self._read)

    def _read(self) -> None:
        while not self._paused and self._over is None:
            self._paho.loop_read()
            if not _pending(self._socket):
                return

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(_TICK, self._tick)
        self._guarded(self._paho.loop_misc)
        now = time.monotonic()
        if self._paused and now - self._read_at > self._settings.config.keepalive / 2:
            # One look, so that the answer to a PINGREQ is seen: a connection that reads nothing is given up.
            self._read_at = now
            self._guarded(self._paho.loop_read)

    def _send(self, packet: bytes) -> None:
        if self._over is None:
            self._outgoing.append(packet)
            self._write_soon()

    def _write_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._writable)

    def _writable(self) -> None:
        self._flushing = False
        if self._over is None:
            self._guarded(self._write)

    def _write(self) -> None:
        if self._outgoing:
            packet = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
            self._outgoing.clear()
            # A view, of which the rest can be sent without copying it each time.
            whole = packet if self._settings.config.scheme in WEBSOCKET_SCHEMES else memoryview(packet)
            self._paho._packet_queue(_RAW, whole, 0, 0)  # noqa: SLF001
        self._paho.loop_write()
        if self._over is not None:
            return
        if self._paho.want_write():
            self._loop.add_writer(self._socket.fileno(), self._writable)
        elif self._drains:
            drains, self._drains = self._drains, []
            _resolve(drains)

    def _guarded(self, step: Any) -> None:  # noqa: ANN401 - whatever paho returns
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever paho stumbles over ends this connection, not the program
            logger.exception("the connection to %s is given up, because it cannot be read", self._settings.where)
            self._finish(Loss(f"it broke: {type(error).__name__}: {error}"))
            self._paho._sock_close()  # noqa: SLF001

    def _subscribe(self, wanted: Filter) -> int | None:
        if not self._settings.is_v5:
            return self._paho.subscribe(wanted.text, wanted.qos)[1]
        options = SubscribeOptions(qos=wanted.qos, retainHandling=wanted.retain_handling)
        identifier = None if wanted.identifier is None else _Packed(b"\x0b" + packets.varint(wanted.identifier))
        return self._paho.subscribe(wanted.text, options=options, properties=identifier)[1]

    def _asked(self, mid: int | None) -> asyncio.Future[list[int]]:
        self._check()
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        if mid is not None:
            self._answers[mid] = answer
        return answer

    def _check(self) -> None:
        if self._over is not None:
            raise DisconnectedError(f"the connection to {self._settings.where} has ended: {self._over.reason}")

    # -- what paho says ------------------------------------------------------------------------------------------------

    def connected(self, flags: paho.ConnectFlags, code: ReasonCode, properties: Any) -> None:
        """Handle a CONNACK."""
        if self._connack.done():
            return
        if code.is_failure:
            self.refusal = code.value
            failure = refused(self._settings.where, code.value, client_id=self._settings.client_id)
            failure.__cause__ = aiomqtt.MqttCodeError(code)
            self._connack.set_exception(failure)
            return
        self.stage = "connected"
        told = {
            ours: getattr(properties, theirs)
            for ours, theirs in _CONNACK_PROPERTIES.items()
            if hasattr(properties, theirs)
        }
        told["identifiers"] = self._settings.is_v5 and bool(told.get("identifiers", 1))
        self._connack.set_result(Connack(session_present=flags.session_present, **told))

    def answered(self, mid: int, codes: Sequence[ReasonCode]) -> None:
        """Handle a SUBACK or an UNSUBACK."""
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result([code.value for code in codes])

    def ponged(self) -> None:
        """Handle a PINGRESP."""
        pongs, self._pongs = self._pongs, []
        _resolve(pongs)

    def arrived(self, incoming: Incoming) -> None:
        """Handle a PUBLISH."""
        if self._over is None:
            self._listener.on_message(incoming)

    def confirmed(self, mid: int, code: int) -> None:
        """Handle a PUBACK or a PUBCOMP."""
        if self._over is None:
            self._listener.on_confirmed(mid, code)

    def received(self, mid: int, code: int) -> None:
        """Handle a PUBREC: ask for the end of the exchange, or end it where the broker refuses."""
        if code >= 0x80:  # noqa: PLR2004 - a refusal
            self.confirmed(mid, code)
        else:
            self._send(packets.confirmation(packets.PUBREL, mid))

    def released(self, mid: int) -> None:
        """Handle a PUBREL, which is always answered: the broker waits for it whether we know the message or not."""
        self._send(packets.confirmation(packets.PUBCOMP, mid))

    def lost(self, flags: paho.DisconnectFlags, code: ReasonCode) -> None:
        """Handle the end of the connection."""
        if flags.is_disconnect_packet_from_server:
            self._finish(Loss(f"the broker ended it: {in_words(code.value)}", code.value))
        elif code.value == 0x8D:  # noqa: PLR2004 - what paho makes of a missed PINGRESP
            self._finish(Loss(f"the broker did not answer for {2 * self._settings.config.keepalive:g} s"))
        else:
            self._finish(Loss("the connection was lost"))

    def closing(self, closed: Any) -> None:  # noqa: ANN401 - a socket, or what paho makes of one
        """Take a socket that is about to be closed out of the event loop."""
        self._loop.remove_reader(closed.fileno())
        self._loop.remove_writer(closed.fileno())

    def writes_done(self, written: Any) -> None:  # noqa: ANN401 - as above
        """Stop waiting for room to write."""
        self._loop.remove_writer(written.fileno())

    def wants_to_write(self) -> None:
        """Send what paho has queued by itself."""
        self._write_soon()

    def _finish(self, loss: Loss, *, tell: bool = True) -> None:
        if self._over is not None:
            return
        self._over = loss
        if self._ticker is not None:
            self._ticker.cancel()
        self._ended.set()
        error = DisconnectedError(f"the connection to {self._settings.where} has ended: {loss.reason}")
        for waiting in (*self._answers.values(), *self._pongs, *self._drains):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # whoever waits hears of it; nobody need
        if not self._connack.done():
            where, stage = self._settings.where, self.stage
            failure = ConnectError(f"{where} ended the connection while {stage}; is it an MQTT broker?")
            self._connack.set_exception(failure)
            self._connack.exception()
        elif tell and not self._connack.cancelled() and self._connack.exception() is None:
            self._listener.on_lost(loss)


_CONNACK_PROPERTIES: Final = {
    "receive_maximum": "ReceiveMaximum",
    "maximum_packet_size": "MaximumPacketSize",
    "maximum_qos": "MaximumQoS",
    "identifiers": "SubscriptionIdentifierAvailable",
}


class _Paho(paho.Client):
    """
    A paho client that hands the packets of messages on unread, and acknowledges none of them by itself.

    It is never made: aiomqtt makes a paho client, whose class is then changed to this one.
    """

    spa: Connection

    def _handle_publish(self) -> paho.MQTTErrorCode:
        body = bytes(self._in_packet["packet"])
        has_properties = self._protocol == paho.MQTTv5
        return self._handed_on(
            lambda: self.spa.arrived(
                packets.read_publish(self._in_packet["command"], body, has_properties=has_properties)
            )
        )

    def _handle_pubackcomp(self, cmd: str) -> paho.MQTTErrorCode:  # noqa: ARG002 - both mean the end
        return self._handed_on(lambda: self.spa.confirmed(*self._confirmation()))

    def _handle_pubrec(self) -> paho.MQTTErrorCode:
        return self._handed_on(lambda: self.spa.received(*self._confirmation()))

    def _handle_pubrel(self) -> paho.MQTTErrorCode:
        return self._handed_on(lambda: self.spa.released(self._confirmation()[0]))

    def _handle_pingresp(self) -> paho.MQTTErrorCode:
        self.spa.ponged()
        return super()._handle_pingresp()

    def _confirmation(self) -> tuple[int, int]:
        return packets.read_confirmation(bytes(self._in_packet["packet"]))

    def _handed_on(self, step: Callable[[], None]) -> paho.MQTTErrorCode:
        try:
            step()
        except MalformedPacketError:
            return paho.MQTT_ERR_PROTOCOL
        return paho.MQTT_ERR_SUCCESS


class _Packed:
    """Properties that are encoded already, in the place of paho's own, which take thirty times as long."""

    def __init__(self, encoded: bytes) -> None:
        self._encoded = packets.varint(len(encoded)) + encoded

    def pack(self) -> bytes:
        """Return them with their length, as paho puts them into a packet."""
        return self._encoded


class _Buffered:
    """A socket that is read in chunks, because paho asks for one byte, one byte and the rest."""

    def __init__(self, raw: Any) -> None:  # noqa: ANN401 - with or without TLS
        self._raw = raw
        self._chunk = b""
        self._at = 0
        self.send, self.fileno, self.setblocking = raw.send, raw.fileno, raw.setblocking
        self._raw_pending = getattr(raw, "pending", int)

    def recv(self, size: int) -> bytes:
        if self._at == len(self._chunk):
            self._chunk, self._at = self._raw.recv(_CHUNK if size < _CHUNK else size), 0
        found = self._chunk[self._at : self._at + size]
        self._at += len(found)
        return found

    def pending(self) -> int:
        return len(self._chunk) - self._at or self._raw_pending()

    def close(self) -> None:
        self._raw.close()


def _pending(opened: Any) -> int:  # noqa: ANN401 - a socket, or what paho makes of one
    return opened.pending()


def _resolve(waiting: Iterable[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None)


def _set_up(settings: Settings, owner: Connection) -> Any:  # noqa: ANN401 - a paho client, used beyond its types
    config = settings.config
    client = aiomqtt.Client(
        "unused",  # the socket is opened by us
        username=config.username,
        password=None if config.password is None else config.password.reveal(),
        identifier=settings.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if settings.is_v5 else aiomqtt.ProtocolVersion.V311,
        clean_session=None if settings.is_v5 else settings.clean_start or not settings.session_expiry,
    )
    made: Any = client._client  # noqa: SLF001 - what aiomqtt has no word for
    made.__class__ = _Paho
    made.spa = owner
    made.disable_logger()
    made.on_connect = lambda _client, _data, flags, code, properties: owner.connected(flags, code, properties)
    made.on_disconnect = lambda _client, _data, flags, code, _properties: owner.lost(flags, code)
    made.on_subscribe = lambda _client, _data, mid, codes, _properties: owner.answered(mid, codes)
    made.on_unsubscribe = lambda _client, _data, mid, codes, _properties: owner.answered(mid, codes)
    made.on_message = made.on_publish = made.on_socket_open = None
    made.on_socket_close = lambda _client, _data, closed: owner.closing(closed)
    made.on_socket_register_write = lambda *_: owner.wants_to_write()
    made.on_socket_unregister_write = lambda _client, _data, written: owner.writes_done(written)
    if settings.has_will and config.will_topic is not None:
        made.will_set(config.will_topic, config.will_payload, config.will_qos, config.will_retain)
        if settings.is_v5:
            made._will_properties = _Packed(b"\x18" + int(config.will_delay).to_bytes(4, "big"))  # noqa: SLF001
    return made


def _connect_properties(settings: Settings) -> _Packed:
    encoded = b"\x11" + settings.session_expiry.to_bytes(4, "big")
    encoded += b"\x21" + settings.receive_maximum.to_bytes(2, "big")
    if settings.config.max_packet_size is not None:
        encoded += b"\x27" + settings.config.max_packet_size.to_bytes(4, "big")
    return _Packed(encoded)
