"""
The supervisor of one connection: makes it, makes it again for ever when it is lost, and ends it in good order.

It knows attempts, pauses and refusals; what the connection is for is its duty's business.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from spa_core.errors import ConnectError, DisconnectedError, SpaError
from spa_core.transport import Backoff
from spa_mqtt.client import Connection
from spa_mqtt.connecting import Settings
from spa_mqtt.failures import TAKEN_OVER, UNEXPLAINED, UNSUPPORTED_VERSION, rival, taken_over
from spa_mqtt.peers import peers_at

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from spa_mqtt.config import MqttConfig
    from spa_mqtt.connecting import Connack
    from spa_mqtt.failures import Loss
    from spa_mqtt.packets import Incoming

__all__ = ["Duty", "Link"]

logger = logging.getLogger("spa_mqtt.link")

_FAREWELL: Final = 2.0
"""Seconds that a broker is given to end a connection after DISCONNECT."""


class Duty(Protocol):
    """What a link is for; nothing but `restore` may wait, and nothing may raise but `restore`."""

    async def restore(self, connection: Connection, connack: Connack) -> None:
        """Subscribe and send again, on a new connection that nobody else uses yet."""

    def lost(self) -> None:
        """The connection that was restored, or was being restored, has ended."""

    def on_message(self, incoming: Incoming) -> None:
        """As `Listener.on_message`; may come before `restore` has returned."""

    def on_confirmed(self, mid: int, code: int) -> None:
        """As `Listener.on_confirmed`."""


class Link:
    """
    One connection after the other.

    Args:
        config: The way to the broker.
        duty: What the connections are for.
        client_id: The session's name.
        tls: What to encrypt with.
        session_expiry: Seconds for which the broker keeps the session of a lost connection.
        receive_maximum: The most messages that may come unacknowledged.
        on_change: Told when a connection that was up is lost, with the reason, and with ``None`` when it is up again.
        is_kept: Whether the session outlives the link; under 3.1.1, where there is no expiry, others end with their
            connection.
        has_will: Whether the connection carries the configured will.
        clean_start: Whether the first connection makes the broker forget the session.

    Attributes:
        peers: The other links to this broker.
        connection: The connection that is up; ``None`` while there is none.
        is_v5: Whether MQTT 5 is spoken.
    """

    def __init__(
        self,
        config: MqttConfig,
        duty: Duty,
        *,
        client_id: str,
        tls: ssl.SSLContext | None,
        session_expiry: float,
        receive_maximum: int,
        on_change: Callable[[str | None], None],
        is_kept: bool = False,
        has_will: bool = False,
        clean_start: bool = False,
    ) -> None:
        self.config = config
        self.client_id = client_id
        self.peers = peers_at(config)
        self.connection: Connection | None = None
        self.is_v5 = config.protocol != "3.1.1"
        self._duty = duty
        self._tls = tls
        self._session_expiry = int(session_expiry)
        self._receive_maximum = receive_maximum
        self._on_change = on_change
        self._is_kept = is_kept
        self._has_will = has_will
        self._clean_start = clean_start
        self._hosts = itertools.cycle(config.addresses or (None,))
        self._host = next(self._hosts)
        self._backoff = Backoff(config.reconnect_min, config.reconnect_max)
        self._loss: Loss | None = None
        self._lost = asyncio.Event()
        self._up = asyncio.Event()
        self._connected_at = 0.0
        self._short_lives = 0
        self._was_silent = False
        self._is_closed = False
        self._forgets = not is_kept
        self._supervisor: asyncio.Task[None] | None = None

    # -- its life ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """
        Connect for the first time and keep connected from then on; cancel-safe.

        What may be over in a moment is tried again until the ``connect_timeout``.

        Raises:
            AuthenticationError: The broker refused the credentials.
            ConnectError: Not connected in time, or refused for good.
        """
        deadline = anyio.current_time() + self.config.connect_timeout
        failure: ConnectError | None = None
        while (failure := await self._first_attempt(deadline - anyio.current_time(), failure)) is not None:
            pause = self._backoff.pause()
            if not failure.retriable or anyio.current_time() + pause >= deadline:
                raise failure
            await anyio.sleep(pause)
        self._supervisor = asyncio.create_task(self._supervise(), name=f"spa-mqtt link {self.client_id}")

    async def close(self, *, forget: bool) -> None:
        """
        Disconnect in good order, or as well as it goes within two seconds; shielded from cancellation.

        Args:
            forget: Whether the broker is to end the session.
        """
        self._is_closed = True
        self._forgets = forget
        with anyio.CancelScope(shield=True):
            await self._stop_supervising()
            self.peers.outage.left(self)
            connection, self.connection = self.connection, None
            if connection is not None:
                await self._take_leave(connection)
                connection.abort()
                self._duty.lost()

    def up(self) -> Connection:
        """
        Return the connection.

        Raises:
            DisconnectedError: There is none now.
        """
        if self.connection is None:
            raise DisconnectedError(f"there is no connection to {self.where} now: {self.reason}")
        return self.connection

    @property
    def reason(self) -> str:
        """Why the last connection ended."""
        return "it was closed" if self._loss is None else self._loss.reason

    async def until_up(self) -> Connection:
        """Wait for a connection."""
        while self.connection is None:
            await self._up.wait()
        return self.connection

    @property
    def where(self) -> str:
        """The broker that is connected to or tried, for people."""
        return self.config.unix_path or str(self._host)

    # -- what its connection tells -------------------------------------------------------------------------------------

    def on_message(self, incoming: Incoming) -> None:
        """Hand a message to the duty."""
        self._duty.on_message(incoming)

    def on_confirmed(self, mid: int, code: int) -> None:
        """Hand a confirmation to the duty."""
        self._duty.on_confirmed(mid, code)

    def on_lost(self, loss: Loss) -> None:
        """Note that the connection has ended; the supervisor makes a new one."""
        if self._is_closed:
            return
        self._loss = loss
        was_up, self.connection = self.connection is not None, None
        is_short = time.monotonic() - self._connected_at < Backoff.STEADY
        self._short_lives = self._short_lives + 1 if is_short else 0
        self._up.clear()
        self._duty.lost()
        if was_up:
            explained = self._explained(loss)
            self.peers.outage.lost(self, explained, is_fault=loss.code == TAKEN_OVER)
            self._on_change(explained)
        self._lost.set()

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        while True:
            await self._lost.wait()
            self._backoff.lasted(time.monotonic() - self._connected_at)
            taken_over = self._loss is not None and self._loss.code == TAKEN_OVER
            if taken_over:
                await asyncio.sleep(self._backoff.long_pause())
            else:
                await self.peers.until_back(self._backoff.pause())
            while not await self._is_back():
                await self.peers.until_back(self._backoff.pause())
            self.peers.outage.back(self, self.where)
            self._on_change(None)

    async def _is_back(self) -> bool:
        try:
            await self._attempt(self.config.connect_timeout)
        except SpaError as error:
            self.peers.outage.failed(error, can_pass=getattr(error, "retriable", False))
            return False
        except Exception as error:
            # Whatever it was: to end here would be to be deaf for ever.
            if self.peers.outage.is_news(repr(error)):
                logger.exception("an attempt to connect to %s broke; others follow", self.where)
            return False
        return True

    async def _first_attempt(self, seconds: float, before: ConnectError | None) -> ConnectError | None:
        """Make an attempt, and return how it failed."""
        try:
            await self._attempt(seconds)
        except ConnectError as error:
            # One that the deadline cut short says less than the one before.
            return before if before is not None and self._was_silent else error
        except DisconnectedError as error:
            return ConnectError(error.message, hint=error.hint)
        return None

    async def _attempt(self, seconds: float) -> None:
        """Make one attempt, and another at once if the broker turns out to speak MQTT 3.1.1 only."""
        connection = Connection(self._settings(), self)
        self._lost.clear()
        try:
            await self._establish(connection, seconds)
        except BaseException as error:
            if not isinstance(error, ConnectError):
                await self._take_leave(connection)
            connection.abort()
            self._duty.lost()
            self._host = next(self._hosts)
            if connection.refusal == UNSUPPORTED_VERSION and self.is_v5 and self.config.protocol == "auto":
                self.is_v5 = False
                await self._attempt(seconds)
                return
            raise
        self._clean_start = False
        self._connected_at = time.monotonic()
        self.connection = connection
        self._up.set()
        self.peers.is_back()

    async def _establish(self, connection: Connection, seconds: float) -> None:
        self._was_silent = False
        with anyio.move_on_after(seconds):
            connack = await connection.connect()
            await self._duty.restore(connection, connack)
            if not connection.is_over:
                return
            raise DisconnectedError(f"{self.where} ended the connection at once", hint=rival(self.config.client_id))
        self._was_silent = True
        patience = self.config.connect_timeout
        raise ConnectError(f"{self.where} did not answer within {patience:g} s while {connection.stage}")

    def _settings(self) -> Settings:
        return Settings(
            config=self.config,
            host=self._host,
            tls=self._tls,
            client_id=self.client_id,
            is_v5=self.is_v5,
            clean_start=self._clean_start,
            session_expiry=self._session_expiry if self.is_v5 or self._is_kept else 0,
            receive_maximum=self._receive_maximum,
            has_will=self._has_will,
        )

    def _explained(self, loss: Loss) -> str:
        if loss.code == TAKEN_OVER:
            return f"{self.where}: {taken_over(self.client_id)}"
        # Mosquitto 2.0 does not say that it gave the session away.
        doubt = rival(self.config.client_id) if loss == UNEXPLAINED and self._short_lives > 1 else None
        return f"{self.where}: {loss.reason}" + (f". {doubt}" if doubt else "")

    async def _take_leave(self, connection: Connection) -> None:
        """Say DISCONNECT, so that no session is left that nobody wants: also where a cancellation came in between."""
        if connection.has_begun:
            with anyio.move_on_after(_FAREWELL, shield=True):
                await connection.disconnect(forget=self._forgets)

    async def _stop_supervising(self) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])
