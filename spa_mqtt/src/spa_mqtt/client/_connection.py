"""
One connection on the event loop: who waits for which answer, when to read, when to write, and how it ends.

What goes over it is put together by the driver; whether another one is made is the link's business.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from spa_core.errors import ConnectError, DisconnectedError
from spa_mqtt import packets
from spa_mqtt.client._driver import refusal
from spa_mqtt.client._fast import driver_for
from spa_mqtt.client._opening import open_way
from spa_mqtt.connecting import Connack
from spa_mqtt.failures import KEEPALIVE_TIMEOUT, REFUSAL, UNEXPLAINED, Loss, refused
from spa_mqtt.failures import reason as in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from spa_mqtt.connecting import Filter, Listener, Settings
    from spa_mqtt.packets import Incoming

__all__ = ["Connection"]

logger = logging.getLogger("spa_mqtt.client")

_SLOWEST: Final = 1.0
"""Seconds between looks at the keepalive, at most."""

_SILENT: Final = (
    "Is it an MQTT broker? Check whether it speaks TLS or not, asks for a certificate, or has all the connections that "
    "it allows"
)
"""What makes brokers hang up without a word."""


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
        self.stage = "connecting"
        self.refusal: int | None = None
        self._settings = settings
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[Connack] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._pongs: list[asyncio.Future[None]] = []
        self._drains: list[asyncio.Future[None]] = []
        self._outgoing: list[bytes] = []
        self._is_flushing = False
        self._is_paused = False
        self._is_holding = False
        self._may_answer = False
        self._read_at = 0.0
        self._has_arrived = False
        self._over: Loss | None = None
        self._ended = asyncio.Event()
        self._ticker: asyncio.TimerHandle | None = None
        # Brokers give up a client that is silent for one and a half keepalives, which must not pass between two looks.
        self._pace = min(_SLOWEST, settings.config.keepalive / 4)
        self._driver = driver_for(settings, self)

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
        self._driver.open(await open_way(self._settings, self._set_stage))
        self._loop.add_reader(self._driver.fileno(), self._readable)
        self._ticker = self._loop.call_later(self._pace, self._tick)
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
        self._driver.close()

    # -- what is sent --------------------------------------------------------------------------------------------------

    def next_mid(self, *, after: int) -> int:
        """Return the next packet identifier, from 1 to 65535, round and round; never one that a SUBSCRIBE has."""
        return self._driver.next_mid(after=after)

    def publish(self, packet: bytes) -> None:
        """Send a PUBLISH packet: the first after something came at once, since it may be all there is to say."""
        if self._may_answer and not self._outgoing and self._over is None:
            self._may_answer = False
            self._driver.queue(packet)
        else:
            self._send(packet)

    def acknowledge(self, acks: Sequence[tuple[int, int]]) -> None:
        """Acknowledge messages, each by its identifier and level, in this order."""
        for mid, qos in acks:
            self._outgoing.append(packets.confirmation(packets.PUBACK if qos == 1 else packets.PUBREC, mid))
        self._writable()  # not in the next turn: what the broker does not know yet it would send again

    async def subscribe(self, filters: Sequence[Filter]) -> list[int]:
        """
        Subscribe, and return the broker's answer for each filter: the level granted, or a code from 0x80 on.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        answers = [self._asked(self._driver.subscribe(each)) for each in filters]
        return [(await answer)[0] for answer in answers]

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """
        Unsubscribe; nothing new comes for these filters once it returns.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        await self._asked(self._driver.unsubscribe(filters))

    async def ping(self) -> None:
        """
        Return when the broker has answered.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        pong = self._loop.create_future()
        self._pongs.append(pong)
        self._read_or_hold()
        self._send(b"\xc0\x00")
        await pong

    async def drained(self) -> None:
        """
        Return when all that was sent so far has been handed to the operating system.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        drain = self._loop.create_future()
        self._drains.append(drain)
        self._write_soon()
        await drain

    # -- what is read --------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading, but for answers that are waited for, and now and then, so that the connection stays alive."""
        self._is_paused = True
        self._read_or_hold()

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        self._read_or_hold()

    def _read_or_hold(self) -> None:
        # An answer comes behind everything else, and who waits for it may be who has to make room.
        holds = self._is_paused and not self._answers and not self._pongs
        if holds == self._is_holding or self._over is not None:
            return
        self._is_holding = holds
        if holds:
            self._read_at = time.monotonic()
            self._loop.remove_reader(self._driver.fileno())
        else:
            self._loop.add_reader(self._driver.fileno(), self._readable)
            self._loop.call_soon(self._readable)

    # -- on the event loop ---------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        self._guarded(self._read)
        self._may_answer = True

    def _read(self) -> None:
        while not self._is_holding and self._over is None and self._driver.read():
            pass

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(self._pace, self._tick)
        self._guarded(self._driver.tick)
        now = time.monotonic()
        if self._is_holding and self._over is None and now - self._read_at > self._settings.config.keepalive / 2:
            # One look: a connection that reads nothing is given up, as the answer to a PINGREQ waits behind others.
            self._read_at = now
            self._has_arrived = False
            self._guarded(self._driver.read)
            if self._has_arrived:
                self._driver.is_alive()

    def _send(self, packet: bytes) -> None:
        if self._over is None:
            self._outgoing.append(packet)
            self._write_soon()

    def _write_soon(self) -> None:
        # Once a turn of the event loop, so that what is sent together goes out together.
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._writable)

    def _writable(self) -> None:
        self._is_flushing = False
        if self._over is None:
            self._guarded(self._write)

    def _write(self) -> None:
        if self._outgoing:
            self._driver.queue(self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing))
            self._outgoing.clear()
        has_more = self._driver.write()
        if self._over is not None:
            return
        if has_more:
            self._loop.add_writer(self._driver.fileno(), self._writable)
        elif self._drains:
            drains, self._drains = self._drains, []
            _resolve(drains)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:
            # Whatever it stumbles over ends this connection, not the program; the link makes another.
            logger.exception("the connection to %s is given up, because it broke", self._settings.where)
            self._finish(Loss(f"it broke: {type(error).__name__}: {error}"))
            self._driver.close()

    def _asked(self, mid: int | None) -> asyncio.Future[list[int]]:
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        if mid is not None:
            self._answers[mid] = answer
            self._read_or_hold()
        return answer

    def _check(self) -> None:
        if self._over is not None:
            raise self._ended_error(self._over)

    def _ended_error(self, loss: Loss) -> DisconnectedError:
        return DisconnectedError(f"the connection to {self._settings.where} has ended: {loss.reason}")

    def _set_stage(self, stage: str) -> None:
        self.stage = stage

    # -- what the driver tells -----------------------------------------------------------------------------------------

    def connected(self, code: int, *, session_present: bool, properties: object) -> None:
        """Handle a CONNACK."""
        if self._connack.done():
            return
        if code >= REFUSAL:
            self.refusal = code
            failure = refused(self._settings.where, code, client_id=self._settings.client_id)
            failure.__cause__ = refusal(code)
            self._connack.set_exception(failure)
            return
        self.stage = "connected"
        told: dict[str, Any] = {
            ours: getattr(properties, theirs) for ours, theirs in _TOLD.items() if hasattr(properties, theirs)
        }
        told["identifiers"] = self._settings.is_v5 and bool(told.get("identifiers", 1))
        self._connack.set_result(Connack(session_present=session_present, **told))

    def answered(self, mid: int, codes: list[int]) -> None:
        """Handle a SUBACK or an UNSUBACK."""
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)
        self._read_or_hold()

    def ponged(self) -> None:
        """Handle a PINGRESP."""
        pongs, self._pongs = self._pongs, []
        _resolve(pongs)
        self._read_or_hold()

    def arrived(self, incoming: Incoming) -> None:
        """Handle a PUBLISH."""
        if self._over is None:
            self._has_arrived = True
            self._listener.on_message(incoming)

    def confirmed(self, mid: int, code: int) -> None:
        """Handle a PUBACK or a PUBCOMP."""
        if self._over is None:
            self._listener.on_confirmed(mid, code)

    def received(self, mid: int, code: int) -> None:
        """Handle a PUBREC: ask for the end of the exchange, or end it where the broker refuses."""
        if code >= REFUSAL:
            self.confirmed(mid, code)
        else:
            self._send(packets.confirmation(packets.PUBREL, mid))

    def released(self, mid: int) -> None:
        """Handle a PUBREL, which is always answered: the broker waits for it whether we know the message or not."""
        self._send(packets.confirmation(packets.PUBCOMP, mid))

    def lost(self, code: int, *, by_broker: bool) -> None:
        """Handle the end of the connection."""
        if by_broker:
            self._finish(Loss(f"the broker ended it: {in_words(code)}", code))
        elif code == KEEPALIVE_TIMEOUT:
            self._finish(Loss(f"the broker did not answer for {2 * self._settings.config.keepalive:g} s"))
        else:
            self._finish(UNEXPLAINED)

    def leaves(self, descriptor: int) -> None:
        """Take a descriptor that is about to be closed out of the event loop."""
        self._loop.remove_reader(descriptor)
        self._loop.remove_writer(descriptor)

    def written(self, descriptor: int) -> None:
        """Stop waiting for room to write."""
        self._loop.remove_writer(descriptor)

    def wants_to_write(self) -> None:
        """Write what the driver has queued by itself."""
        self._write_soon()

    def _finish(self, loss: Loss, *, tell: bool = True) -> None:
        if self._over is not None:
            return
        self._over = loss
        if self._ticker is not None:
            self._ticker.cancel()
        self._ended.set()
        _fail((*self._answers.values(), *self._pongs, *self._drains), self._ended_error(loss))
        if not self._connack.done():
            where, stage = self._settings.where, self.stage
            _fail([self._connack], ConnectError(f"{where} ended the connection while {stage}", hint=_SILENT))
        elif tell and not self._connack.cancelled() and self._connack.exception() is None:
            self._listener.on_lost(loss)


_TOLD: Final = {
    "receive_maximum": "ReceiveMaximum",
    "maximum_packet_size": "MaximumPacketSize",
    "maximum_qos": "MaximumQoS",
    "identifiers": "SubscriptionIdentifierAvailable",
}
"""What a CONNACK may tell, in our words and in paho's."""


def _resolve(waiting: Iterable[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None)


def _fail(waiting: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    for each in waiting:
        if not each.done():
            each.set_exception(error)
            each.exception()  # whoever waits hears of it; where nobody does, that is no news for the log
