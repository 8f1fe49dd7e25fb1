"""The provider and its socket: one connection, restored when it is lost, and all that is said over it."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

import anyio

from acme_transport.config import AcmeConfig
from acme_transport.subscription import AcmeSubscription
from acme_transport.wire import FAULTS, Batch, Check, Connection, Frame, Leave, Publish, Request
from spa_core import SocketProvider
from spa_core.errors import ConnectError, DisconnectedError, SocketClosedError, TransportError
from spa_core.transport import Capabilities, ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from spa_core import SpaMessage
    from spa_core.transport import ConnectionListener, SubscriptionSpec


class AcmeSocketProvider(SocketProvider[AcmeConfig]):
    """SPA over the acme broker."""

    @property
    def capabilities(self) -> Capabilities:
        """What the broker can do: it keeps messages in memory, for groups, in order, and forgets nothing but itself."""
        return Capabilities(
            headers=True,
            key=True,
            timestamp=True,
            max_payload=2**20,
            unicode_topics=True,
            confirms="broker",
            no_responders=True,
            auto_create=True,
            wildcards="mqtt",
            groups=True,
            fanout=True,
            durable=True,
            ordering="single",
            ack="individual",
            retry="native",
            prefetch=True,
            reply=True,
            reconnect=True,
            restartable=True,
            persistent=True,
            health=True,
        )

    def open(self, on_connection: ConnectionListener) -> AcmeSocket:
        """Make a socket; it connects when it is entered."""
        return AcmeSocket(self.config, on_connection)


class AcmeSocket:
    """A way to the broker; see ``spa_core.transport.TransportSocket``."""

    def __init__(self, config: AcmeConfig, on_connection: ConnectionListener) -> None:
        self._config = config
        self._tell = on_connection
        self._where = f"acme broker at {config.host}:{config.port}"
        self._open = False
        self._connection: Connection | None = None
        self._numbers = itertools.count(1)
        self._subscriptions: dict[int, AcmeSubscription] = {}

    async def __aenter__(self) -> Self:
        """Connect; raise ``ConnectError`` if that does not succeed in time."""
        connection = self._connection = await self._connect()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._stay_connected, connection)
        self._open = True
        self._tell(ConnectionEvent(state="connected"))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what was accepted, and disconnect; the broker takes back what is unsettled."""
        if not self._open:
            return
        self._open = False
        for subscription in self._subscriptions.values():
            subscription.leave()
        if self._connection is not None:
            self._connection.finish()
            with anyio.move_on_after(self._config.timeout, shield=True):
                await self._connection.over.wait()
        self._tasks.cancel_scope.cancel()
        try:
            # Without the caller's error, which would come out in a group.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._tell(ConnectionEvent(state="closed"))

    async def publish(self, message: SpaMessage) -> bool:
        """Publish; return, once the broker has the message, whether anybody listens."""
        return await self._ask(Publish(next(self._numbers), message))

    @asynccontextmanager
    async def subscribe(self, spec: SubscriptionSpec) -> AsyncGenerator[AcmeSubscription]:
        """Subscribe while the context is open."""
        subscription = AcmeSubscription(next(self._numbers), spec, self._connected())
        self._subscriptions[subscription.number] = subscription
        try:
            await self._ask(subscription.request(next(self._numbers)))
            yield subscription
        finally:
            subscription.leave()
            del self._subscriptions[subscription.number]
            with suppress(TransportError), anyio.CancelScope(shield=True):
                await self._ask(Leave(next(self._numbers), subscription.number))

    async def check(self) -> None:
        """Prove that the broker answers."""
        await self._ask(Check(next(self._numbers)))

    async def _connect(self) -> Connection:
        try:
            with anyio.fail_after(self._config.timeout):
                return await Connection.open(self._config.host, self._config.port)
        except (OSError, *FAULTS) as error:
            hint = "Is it running? Start one with: python -m acme_transport.server"
            raise ConnectError(f"no {self._where} within {self._config.timeout:g} s", hint=hint) from error

    async def _stay_connected(self, connection: Connection) -> None:
        while True:
            await connection.run(self._handle, self._lose)
            if not self._open:
                return
            self._tell(ConnectionEvent(state="disconnected", reason=f"lost the connection to the {self._where}"))
            connection = await self._connect_again()
            for subscription in self._subscriptions.values():
                subscription.move_to(connection, next(self._numbers))
            self._connection = connection
            self._tell(ConnectionEvent(state="connected"))

    async def _connect_again(self) -> Connection:
        while True:
            await anyio.sleep(self._config.reconnect_delay)
            with suppress(ConnectError):
                return await self._connect()

    def _handle(self, frame: Frame) -> None:
        if isinstance(frame, Batch) and frame.subscription in self._subscriptions:
            self._subscriptions[frame.subscription].put(frame)

    def _lose(self) -> None:
        self._connection = None

    def _connected(self) -> Connection:
        if not self._open:
            raise SocketClosedError("the socket is not open", hint="Use it inside 'async with'")
        if self._connection is None:
            raise DisconnectedError(f"not connected to the {self._where}", hint="It is tried again; try again later")
        return self._connection

    async def _ask(self, request: Request) -> bool:
        connection, heard = self._connected(), None
        with anyio.move_on_after(self._config.timeout):
            heard = await connection.ask(request)
        if heard is None:
            raise DisconnectedError(f"no answer from the {self._where}", hint="Whether it got the message is not known")
        return heard
