"""
One connection on the event loop: who waits for which answer, when to read, when to write, and how it ends.

What goes over it is put together by the driver; whether another one is made is the link's business.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from spa_core.errors import ConnectError, DisconnectedError
from spa_mqtt import packets
from spa_mqtt.client._driver import connack, refusal
from spa_mqtt.client._fast import driver_for
from spa_mqtt.client._opening import open_way
from spa_mqtt.client._reading import Reading
from spa_mqtt.client._waiting import Waiting, fail
from spa_mqtt.client._writing import Writing
from spa_mqtt.failures import KEEPALIVE_TIMEOUT, REFUSAL, SILENCE, UNEXPLAINED, Loss, refused
from spa_mqtt.failures import reason as in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spa_mqtt.connecting import Connack, Filter, Listener, Settings
    from spa_mqtt.packets import Incoming

__all__ = ["Connection"]

logger = logging.getLogger("spa_mqtt.client")

_SLOWEST: Final = 1.0
"""Seconds between looks at the keepalive, at most."""


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
        self._waiting = Waiting()
        self._may_answer = False
        self._has_arrived = False
        self._over: Loss | None = None
        self._ended = asyncio.Event()
        self._ticker: asyncio.TimerHandle | None = None
        # Brokers give up a client that is silent for one and a half keepalives, which must not pass between two looks.
        self._pace = min(_SLOWEST, settings.config.keepalive / 4)
        self._driver = driver_for(settings, self)
        self._reading = Reading(self._driver, self._waiting, self._readable)
        self._writing = Writing(self._driver, self._waiting, self._guarded)

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
        self._reading.begin()
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
            self._writing.send(bytes((0xE0, len(properties))) + properties)
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
        if self._may_answer:
            self._may_answer = False
            self._writing.send_at_once(packet)
        else:
            self._writing.send(packet)

    def acknowledge(self, acks: Sequence[tuple[int, int]]) -> None:
        """Acknowledge messages, each by its identifier and level, in this order."""
        for mid, qos in acks:
            self._writing.add(packets.confirmation(packets.PUBACK if qos == 1 else packets.PUBREC, mid))
        self._writing.now()  # not in the next turn: what the broker does not know yet it would send again

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
        pong = self._waiting.pong()
        self._reading.adapt()
        self._writing.send(b"\xc0\x00")
        await pong

    async def drained(self) -> None:
        """
        Return when all that was sent so far has been handed to the operating system.

        Raises:
            DisconnectedError: The connection ended first.
        """
        self._check()
        drain = self._waiting.drain()
        self._writing.soon()
        await drain

    # -- what is read --------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading, but for answers that are waited for, and now and then, so that the connection stays alive."""
        self._reading.pause()

    def resume(self) -> None:
        """Read again."""
        self._reading.resume()

    # -- on the event loop ---------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        self._guarded(self._read)
        self._may_answer = True

    def _read(self) -> None:
        while not self._reading.is_held and self._over is None and self._driver.read():
            pass

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(self._pace, self._tick)
        self._guarded(self._driver.tick)
        if self._reading.is_due(self._settings.config.keepalive / 2):
            # One look: a connection that reads nothing is given up, as the answer to a PINGREQ waits behind others.
            self._has_arrived = False
            self._guarded(self._driver.read)
            if self._has_arrived:
                self._driver.is_alive()

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:
            # Whatever it stumbles over ends this connection, not the program; the link makes another.
            logger.exception("the connection to %s is given up, because it broke", self._settings.where)
            self._finish(Loss(f"it broke: {type(error).__name__}: {error}"))
            self._driver.close()

    def _asked(self, mid: int | None) -> asyncio.Future[list[int]]:
        answer = self._waiting.answer(mid)
        self._reading.adapt()
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
        told = connack(properties, session_present=session_present, is_v5=self._settings.is_v5)
        self._connack.set_result(told)

    def answered(self, mid: int, codes: list[int]) -> None:
        """Handle a SUBACK or an UNSUBACK."""
        self._waiting.answered(mid, codes)
        self._reading.adapt()

    def ponged(self) -> None:
        """Handle a PINGRESP."""
        self._waiting.ponged()
        self._reading.adapt()

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
            self._writing.send(packets.confirmation(packets.PUBREL, mid))

    def released(self, mid: int) -> None:
        """Handle a PUBREL, which is always answered: the broker waits for it whether we know the message or not."""
        self._writing.send(packets.confirmation(packets.PUBCOMP, mid))

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
        self._writing.soon()

    def _finish(self, loss: Loss, *, tell: bool = True) -> None:
        if self._over is not None:
            return
        self._over = loss
        self._reading.is_over = self._writing.is_over = True
        if self._ticker is not None:
            self._ticker.cancel()
        self._ended.set()
        self._waiting.fail(self._ended_error(loss))
        if not self._connack.done():
            where, stage = self._settings.where, self.stage
            fail([self._connack], ConnectError(f"{where} ended the connection while {stage}", hint=SILENCE))
        elif tell and not self._connack.cancelled() and self._connack.exception() is None:
            self._listener.on_lost(loss)
