"""
The publishing half of a socket: when a publish has ended, and how.

In which order messages are sent, and sent again, is the outbox's business; what they look like is the wire's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import anyio

from spa_core.errors import (
    DisconnectedError,
    MessageTooLargeError,
    PublishError,
    PublishRefusedError,
    QueueFullError,
    SocketClosedError,
    SpaError,
)
from spa_mqtt import packets
from spa_mqtt.deadlines import Deadlines
from spa_mqtt.failures import NO_SUBSCRIBERS, REFUSAL, publish_refused
from spa_mqtt.outbox import Entry, Outbox
from spa_mqtt.packets import MalformedPacketError
from spa_mqtt.wire import Outgoing, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.message import SpaMessage
    from spa_mqtt.client import Connection
    from spa_mqtt.config import MqttConfig
    from spa_mqtt.connecting import Connack
    from spa_mqtt.link import Link

__all__ = ["Publisher"]

_HEADROOM: Final = 12
"""Bytes of a packet beside topic, payload and properties, at most."""

_GRACE: Final = 3.0
"""Seconds after a reconnection in which others may not have subscribed again yet."""

_PAUSE: Final = 0.1
"""Seconds until a message that nobody heard is published again."""


class Publisher:
    """
    Publishes over a link.

    Args:
        config: Windows, bounds and defaults.
        link: Whose connections are published on.
    """

    def __init__(self, config: MqttConfig, link: Link) -> None:
        self._config = config
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(limit=config.outbox_max, window=config.publish_window)
        self._deadlines = Deadlines(self._loop, self._give_up)
        self._connection: Connection | None = None
        self._outside: OrderedDict[Entry, None] = OrderedDict()
        self._has_moved = asyncio.Event()
        self._largest = packets.LARGEST
        self._maximum_qos = 2
        self._mid = 0
        self._is_resumed = False
        self._is_closed = False
        self._was_connected = False
        self._grace_ends = 0.0
        self._unheard: set[Entry] = set()

    # -- publishing ----------------------------------------------------------------------------------------------------

    async def publish(self, message: SpaMessage) -> bool | None:
        """
        Publish, and return once the message is confirmed; at level 0 once the operating system has it.

        A cancelled publish takes the message back if it was not sent yet.

        Returns:
            Whether anybody listens, ``None`` if the broker does not say.

        Raises:
            SocketClosedError: The socket was closed.
            QueueFullError: No room within the ``publish_timeout``.
            PublishRefusedError: The broker refused it.
            MessageTooLargeError: The broker takes no packet so large.
            PublishError: Not confirmed in time; or at level 0, there is no connection.
        """
        config, is_v5 = self._config, self._link.is_v5
        wanted = config.qos if message.quality_of_service is None else message.quality_of_service
        qos = min(wanted, self._maximum_qos)
        outgoing = to_wire(message, is_v5=is_v5, enveloping=config.envelope)
        packet = self._packet_maker(message, outgoing, qos)
        self._check_size(message, outgoing, packet)
        if not qos:
            await self._publish_unconfirmed(message.topic, packet(0, False))  # noqa: FBT003 - of `Entry`
            return None
        code = await self._publish_confirmed(message.topic, packet)
        if code >= REFUSAL:
            raise publish_refused(message.topic, code)
        return code != NO_SUBSCRIBERS if is_v5 and qos == 1 else None

    def _packet_maker(self, message: SpaMessage, outgoing: Outgoing, qos: int) -> Callable[[int, bool], bytes]:
        config = self._config
        retain = message.retain or (config.retain and not message.topic.startswith(f"{config.response_prefix}/"))

        def packet(mid: int, dup: bool) -> bytes:  # noqa: FBT001 - of `Entry`
            return packets.publish(
                message.topic,
                outgoing.payload,
                mid=mid,
                qos=qos,
                retain=retain,
                properties=outgoing.properties,
                dup=dup,
            )

        return packet

    async def _publish_unconfirmed(self, topic: str, packet: bytes) -> None:
        if self._is_closed:
            raise _closed()
        try:
            connection = self._link.up()
            connection.publish(packet)
            await connection.drained()
        except DisconnectedError as error:
            text = f"a message on {topic!r} was not sent: {error.message}"
            failure = PublishError(text, topic=topic, hint="Level 1 waits for the connection to come back")
            failure.retriable = True
            raise failure from error

    async def _publish_confirmed(self, topic: str, packet: Callable[[int, bool], bytes]) -> int:
        if self._is_closed:
            raise _closed()
        ended: asyncio.Future[int] = self._loop.create_future()
        entry = Entry(topic, packet, lambda ending: _end(ended, ending))
        self._outside[entry] = None
        self._admit()
        self._deadlines.add(entry, self._loop.time() + self._config.publish_timeout)
        try:
            return await ended
        except asyncio.CancelledError:
            self._withdraw(entry)
            raise
        finally:
            self._deadlines.remove(entry)

    def _admit(self) -> None:
        """Let into the outbox who came first, as many as there is room for, and send."""
        while self._outside and not self._outbox.is_full:
            self._outbox.add(self._outside.popitem(last=False)[0])
        self._send()
        self._has_moved.set()

    def _give_up(self, entry: Entry) -> None:
        failure = self._full(entry.topic) if entry in self._outside else self._late(entry.topic)
        self._withdraw(entry)
        entry.on_end(failure)

    def _full(self, topic: str) -> QueueFullError:
        limit, patience = self._outbox.limit, self._config.publish_timeout
        text = f"{limit} messages wait to be confirmed by {self._link.where}, and none was within {patience:g} s"
        hint = "Publish more slowly, or raise outbox_max="
        return QueueFullError(text, topic=topic, queue="outbox", limit=limit, hint=hint)

    def _late(self, topic: str) -> PublishError:
        patience = self._config.publish_timeout
        state = "confirmed" if self._connection is not None else "sent, because there is no connection,"
        text = f"a message on {topic!r} was not {state} within {patience:g} s"
        failure = PublishError(text, topic=topic, hint="Raise publish_timeout= to wait longer")
        failure.retriable = True
        return failure

    def _withdraw(self, entry: Entry) -> None:
        if entry in self._outside:
            del self._outside[entry]
        else:
            self._outbox.withdraw(entry)
        self._admit()

    def _check_size(self, message: SpaMessage, outgoing: Outgoing, packet: Callable[[int, bool], bytes]) -> None:
        at_most = len(outgoing.payload) + len(outgoing.properties or b"") + 4 * len(message.topic) + _HEADROOM
        if at_most <= self._largest:
            return
        try:
            size = len(packet(1, False))  # noqa: FBT003 - of `Entry`
        except MalformedPacketError:
            size = at_most
        if size > self._largest:
            limit, where = self._largest, self._link.where
            text = f"a message on {message.topic!r} makes a packet of {size} bytes, and {where} takes {limit}"
            raise MessageTooLargeError(text, topic=message.topic, size=size, limit=limit)

    # -- the life of its connection ------------------------------------------------------------------------------------

    def restore(self, connection: Connection, connack: Connack) -> None:
        """Send on a new connection what is not confirmed, in order, and what waits."""
        self._grace_ends = self._loop.time() + _GRACE if self._was_connected else 0.0
        self._was_connected = True
        self._largest = connack.maximum_packet_size or packets.LARGEST
        self._maximum_qos = connack.maximum_qos
        self._outbox.window = min(self._config.publish_window, connack.receive_maximum)
        self._is_resumed = connack.session_present
        self._connection = connection
        self._admit()

    def lost(self) -> None:
        """Put back what was under way."""
        self._connection = None
        culprit = self._outbox.connection_lost()
        if culprit is not None:
            culprit.on_end(_culprit(culprit.topic, self._link.reason))

    def on_confirmed(self, mid: int, code: int) -> None:
        """End a publish."""
        entry = self._outbox.confirmed(mid)
        if entry is not None and code == NO_SUBSCRIBERS and self._loop.time() < self._grace_ends:
            # A broker that has forgotten its subscriptions took it for nobody. So it can be sent again without harm.
            self._unheard.add(entry)
            self._loop.call_later(_PAUSE, self._publish_again, entry)
        elif entry is not None:
            entry.on_end(code)
        self._admit()

    async def close(self) -> None:
        """Take nothing more, wait for confirmations under way, and end what is left with ``SocketClosedError``."""
        self._is_closed = True
        while self._outside:
            self._outside.popitem()[0].on_end(_closed())
        with anyio.move_on_after(self._config.drain_timeout):
            while (len(self._outbox) or self._unheard) and self._connection is not None:
                self._has_moved.clear()
                await self._has_moved.wait()
        for entry in (*self._outbox.close(), *self._unheard):
            entry.on_end(_closed())
        self._deadlines.close()

    def _publish_again(self, entry: Entry) -> None:
        self._unheard.discard(entry)
        if not (entry.withdrawn or self._is_closed):
            self._outbox.add(entry)
        self._admit()

    def _send(self) -> None:
        connection = self._connection
        while connection is not None and (entry := self._outbox.next()) is not None:
            is_repeated = bool(entry.mid)
            mid = entry.mid or self._next_mid()
            self._outbox.sent(entry, mid)
            connection.publish(entry.packet(mid, is_repeated and self._is_resumed))

    def _next_mid(self) -> int:
        connection = self._connection
        assert connection is not None  # noqa: S101 - the caller's business
        self._mid = connection.next_mid(after=self._mid)
        while self._outbox.is_taken(self._mid):
            self._mid = connection.next_mid(after=self._mid)
        return self._mid


def _end(ended: asyncio.Future[int], ending: int | SpaError) -> None:
    if ended.done():
        return
    if isinstance(ending, int):
        ended.set_result(ending)
    else:
        ended.set_exception(ending)


def _culprit(topic: str, reason: str) -> PublishRefusedError:
    text = f"the broker ended every connection on which a message on {topic!r} was sent: {reason}"
    hint = "See what the broker's log says of it, and whether the message is too large or of a kind it does not take"
    return PublishRefusedError(text, topic=topic, reason=reason, hint=hint)


def _closed() -> SocketClosedError:
    return SocketClosedError("the socket is not open", hint="Use it inside 'async with'")
