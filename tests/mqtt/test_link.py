"""Connecting, refusals, losses and ends, against brokers that say exactly what a test wants, and against real ones."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from brokers.mosquitto import PASSWORD, READER, USER
from brokers.process import LOOPBACK, free_port

from spa_core import SocketProviderFactory, SpaMessage
from spa_core.errors import AuthenticationError, ConnectError, PublishRefusedError, SubscribeError
from spa_core.testing.proxy import FaultProxy
from spa_core.testing.resources import Resources
from spa_core.transport import SubscriptionSpec
from spa_mqtt import MqttConfig, MqttSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream
    from brokers.mosquitto import Mosquitto

    from spa_core.transport import ConnectionEvent, TransportSocket

pytestmark = pytest.mark.anyio

PATIENCE = 30
DISCONNECT, SUBSCRIBE = 0xE0, 0x82
WELCOME_5 = b"\x20\x03\x00\x00\x00"
WELCOME_3 = b"\x20\x02\x00\x00"


class Scripted:
    """
    A broker that plays a script: what each connection is answered with after its CONNECT.

    Attributes:
        port: Where it listens.
        connects: The CONNECT packets that came.
        go_on: Set to have the rest of the script played, once.
    """

    def __init__(self, *answers: bytes, rest: bytes = b"", granted: int = 1) -> None:
        self.port = 0
        self.connects: list[bytes] = []
        self.go_on = anyio.Event()
        self._answers = list(answers)
        self._rest = rest
        self._granted = granted

    async def serve(self, stream: SocketStream) -> None:
        """Answer one connection."""
        async with stream:
            with anyio.CancelScope() as scope:
                try:
                    self.connects.append(await stream.receive())
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                    await stream.send(answer)
                    if self._rest:
                        await self.go_on.wait()
                        rest, self._rest = self._rest, b""
                        await stream.send(rest)
                        scope.cancel()
                    while (packet := await stream.receive())[0] != DISCONNECT:
                        if packet[0] == SUBSCRIBE:
                            await stream.send(b"\x90\x04" + packet[2:4] + bytes((0, self._granted)))
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return


@asynccontextmanager
async def playing(script: Scripted) -> AsyncIterator[Scripted]:
    """Let a scripted broker listen."""
    async with (
        await anyio.create_tcp_listener(local_host=LOOPBACK, local_port=0) as listener,
        anyio.create_task_group() as tasks,
    ):
        script.port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
        tasks.start_soon(listener.serve, script.serve)
        yield script
        tasks.cancel_scope.cancel()


def provider(port: int, **fields: Any) -> MqttSocketProvider:
    """Make a provider with short deadlines."""
    more = {"host": LOOPBACK, "port": port, "connect_timeout": 0.5, "reconnect_max": 0.2} | fields
    return MqttSocketProvider(MqttConfig(**more))


async def nothing_left_since(before: Resources) -> None:
    """Wait until everything is closed that was opened since, but for what the scripted broker needs."""
    with anyio.fail_after(PATIENCE):
        while any("serve" not in each for each in Resources.now().since(before)):
            await anyio.lowlevel.checkpoint()


async def refusal_of(made: MqttSocketProvider) -> ConnectError:
    """Return the error that opening ends with; nothing is left open."""
    before = Resources.now()
    with anyio.fail_after(PATIENCE), pytest.raises(ConnectError) as caught:
        async with made.open(lambda _: None):
            pass
    await nothing_left_since(before)
    return caught.value


@pytest.mark.parametrize("code", [0x86, 0x87, 0x8A, 0x8C])
async def test_refused_credentials_are_told_at_once(code: int) -> None:
    """A broker that refuses credentials is asked once, and the error says that another attempt cannot help."""
    async with playing(Scripted(bytes((0x20, 3, 0, code, 0)))) as broker:
        error = await refusal_of(provider(broker.port, username="ann", password="her secret"))

    assert isinstance(error, AuthenticationError)
    assert (error.retriable, len(broker.connects)) == (False, 1)
    assert "her secret" not in f"{error!r} {error} {error.__cause__}"


@pytest.mark.parametrize("code", [0x85, 0x9C, 0x9D])
async def test_other_refusals_for_good_are_told_at_once(code: int) -> None:
    """What the broker will never accept is told at once, and is no matter of credentials."""
    async with playing(Scripted(bytes((0x20, 3, 0, code, 0)))) as broker:
        error = await refusal_of(provider(broker.port))

    assert not isinstance(error, AuthenticationError)
    assert (error.retriable, len(broker.connects)) == (False, 1)


async def test_what_is_over_in_a_moment_is_tried_again() -> None:
    """A broker that is busy when a socket opens is asked again, within the time for connecting."""
    script = Scripted(b"\x20\x03\x00\x89\x00", b"\x20\x03\x00\x88\x00", WELCOME_5)
    async with playing(script) as broker, provider(broker.port, connect_timeout=PATIENCE).open(lambda _: None):
        pass

    assert len(broker.connects) == 3


async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1() -> None:
    """A broker that does not know MQTT 5 is asked again at once in 3.1.1, unless the configuration wants 5."""
    script = Scripted(b"\x20\x03\x00\x84\x00", WELCOME_3)
    async with playing(script) as broker, provider(broker.port).open(lambda _: None):
        pass

    assert [packet[8] for packet in broker.connects] == [5, 4]

    async with playing(Scripted(b"\x20\x03\x00\x84\x00", WELCOME_3)) as broker:
        error = await refusal_of(provider(broker.port, protocol="5"))

    assert "unsupported protocol version" in error.message


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 100, b"\x20\x7f", b"\x20\x00"]
)
async def test_a_port_that_speaks_something_else(answer: bytes) -> None:
    """A port that answers in another protocol, or with half a packet, is a clear error in time."""
    async with playing(Scripted(answer)) as broker:
        error = await refusal_of(provider(broker.port))

    assert str(broker.port) in error.message
    assert "CONNECT" in error.message


async def test_a_port_that_says_nothing() -> None:
    """A port that accepts and is silent is a clear error in time, which says what was waited for."""
    async with playing(Scripted(b"")) as broker:
        error = await refusal_of(provider(broker.port))

    assert "did not answer within 0.5 s while waiting for the broker's answer to CONNECT" in error.message


async def test_nobody_listens() -> None:
    """A port where nobody listens is a clear error in time, with the system's reason."""
    error = await refusal_of(provider(free_port()))

    assert error.retriable
    assert "refused" in error.message
    assert isinstance(error.__cause__, OSError)


async def test_a_name_that_is_unknown() -> None:
    """A host that has no address is a clear error in time."""
    made = MqttSocketProvider(MqttConfig("broker.invalid", connect_timeout=0.5))
    error = await refusal_of(made)

    assert "broker.invalid" in error.message


async def test_a_session_that_is_taken_over_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    """When another program takes the session, the event and one line of the log name the client id; it goes on."""
    events: list[ConnectionEvent] = []
    async with playing(Scripted(WELCOME_5, rest=b"\xe0\x01\x8e")) as broker:
        with anyio.fail_after(PATIENCE), caplog.at_level(logging.ERROR, "spa_mqtt"):
            async with provider(broker.port, client_id="detector").open(events.append):
                broker.go_on.set()
                while [event.state for event in events] != ["connected", "disconnected", "connected"]:
                    await anyio.lowlevel.checkpoint()

    assert "client_id 'detector'" in events[1].reason
    assert [record.getMessage() for record in caplog.records] == [events[1].reason]


async def test_a_broker_that_says_why_it_ends_a_connection() -> None:
    """The reason that a broker gives for ending a connection is the event's."""
    events: list[ConnectionEvent] = []
    async with playing(Scripted(WELCOME_5, rest=b"\xe0\x01\x8b")) as broker:
        with anyio.fail_after(PATIENCE):
            async with provider(broker.port).open(events.append):
                broker.go_on.set()
                while len(events) < 3:
                    await anyio.lowlevel.checkpoint()

    assert "server shutting down" in events[1].reason


async def test_nonsense_ends_a_connection_and_not_the_program() -> None:
    """Bytes that are no packets, in the middle of a connection, cost that connection and nothing else."""
    events: list[ConnectionEvent] = []
    for nonsense in (b"\x30\x01\x00", b"\xf0\x00", b"\x40\x01\x00", b"\x30\xff\xff\xff\xff\xff", b"\x90\x01\x00"):
        events.clear()
        async with playing(Scripted(WELCOME_5, rest=nonsense)) as broker:
            with anyio.fail_after(PATIENCE):
                async with provider(broker.port).open(events.append):
                    broker.go_on.set()
                    while len(events) < 3:
                        await anyio.lowlevel.checkpoint()

        assert [event.state for event in events] == ["connected", "disconnected", "connected", "closed"]


async def echo_of(socket: TransportSocket, topic: str, payload: bytes) -> bytes:
    """Send a message through a socket and back."""
    with anyio.fail_after(PATIENCE):
        async with socket.subscribe(SubscriptionSpec(topics=(topic,))) as subscription:
            await socket.publish(SpaMessage(topic=topic, payload=payload))
            [delivery] = await subscription.receive_batch(1)
    return delivery.message.payload


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws", "wss", "mqtt+unix"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_every_way_carries_messages(mosquitto: Mosquitto, topic: str, scheme: str, protocol: str) -> None:
    """Over TCP, TLS, websockets and unix sockets small and large messages arrive unchanged."""
    made = SocketProviderFactory.from_url(mosquitto.url(scheme, protocol=protocol))
    async with made.open(lambda _: None) as socket:
        for payload in (b"small", b"large" * 4_000):
            assert await echo_of(socket, topic, payload) == payload


async def test_a_certificate_of_a_stranger(mosquitto: Mosquitto) -> None:
    """A broker whose certificate is signed by somebody unknown is refused at once, with the way out."""
    made = MqttSocketProvider(MqttConfig(LOOPBACK, mosquitto.ports.tls, scheme="mqtts"))
    error = await refusal_of(made)

    assert not error.retriable
    assert "not trusted" in error.message
    assert "tls_ca" in (error.hint or "")


async def test_tls_to_a_port_without_it_and_the_other_way_round(mosquitto: Mosquitto) -> None:
    """TLS with a port that speaks none, and none with a port that wants it, are clear errors in time."""
    authority = str(mosquitto.certificates.authority)
    tls = MqttConfig(LOOPBACK, mosquitto.ports.plain, scheme="mqtts", tls_ca=authority, connect_timeout=0.5)
    plain = MqttConfig(LOOPBACK, mosquitto.ports.tls, connect_timeout=0.5)
    for config in (tls, plain):
        error = await refusal_of(MqttSocketProvider(config))

        assert str(config.port) in error.message


async def test_a_wrong_password(mosquitto: Mosquitto) -> None:
    """Mosquitto's refusal of a password is an ``AuthenticationError`` which does not show it."""
    made = provider(mosquitto.ports.login, username=USER, password=PASSWORD[:-1], connect_timeout=PATIENCE)
    error = await refusal_of(made)

    assert isinstance(error, AuthenticationError)
    assert PASSWORD[:-1] not in str(error)


async def test_what_the_broker_refuses_to_publish(mosquitto: Mosquitto, topic: str) -> None:
    """A message that the broker does not allow is an error with its reason, and the socket goes on."""
    made = provider(mosquitto.ports.restricted, username=READER, password=PASSWORD, connect_timeout=PATIENCE)
    async with made.open(lambda _: None) as socket:
        for _ in range(2):
            with pytest.raises(PublishRefusedError) as caught:
                await socket.publish(SpaMessage(topic=topic))

            assert (caught.value.topic, caught.value.retriable) == (topic, False)
            assert "not authorized" in caught.value.reason


async def test_what_the_broker_refuses_to_subscribe_to(topic: str) -> None:
    """A filter that the broker does not allow is an error with its reason at once, and leaves nothing open."""
    async with playing(Scripted(WELCOME_5, granted=0x87)) as broker, provider(broker.port).open(print) as socket:
        before = Resources.now()
        with pytest.raises(SubscribeError, match="not authorized") as caught:
            async with socket.subscribe(SubscriptionSpec(topics=(topic,))):
                pass
        await nothing_left_since(before)

    assert (caught.value.topics, caught.value.retriable) == ((topic,), False)


def test_another_event_loop() -> None:
    """On trio opening raises a clear error that says which event loop is needed."""

    async def main() -> None:
        async with MqttSocketProvider(MqttConfig()).open(lambda _: None):
            pass

    with pytest.raises(ConnectError, match="asyncio only") as caught:
        anyio.run(main, backend="trio")

    assert not caught.value.retriable


async def test_an_address_that_answers_nothing_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of several addresses, the first of which swallows everything, is reached by the next in one attempt."""
    async with playing(Scripted(WELCOME_5)) as broker:
        silent, real = ("silent", broker.port), (LOOPBACK, broker.port)
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def getaddrinfo(*_: object, **__: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (silent, real)]

        async def sock_connect(dialled: socket.socket, address: Any) -> None:  # noqa: ANN401 - of any family
            await (anyio.sleep_forever() if address == silent else connect(dialled, address))

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(loop, "sock_connect", sock_connect)
        with anyio.fail_after(PATIENCE):
            async with provider(broker.port, host="two.example").open(lambda _: None):
                pass

    assert len(broker.connects) == 1


def test_event_loops_that_have_ended_are_forgotten(mosquitto: Mosquitto) -> None:
    """A program that runs one event loop after the other, with a reconnection in each, keeps none of them."""

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        events: list[ConnectionEvent] = []
        async with (
            FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy,
            provider(proxy.port, connect_timeout=PATIENCE).open(events.append),
        ):
            await proxy.cut()
            while len(events) < 3:
                await anyio.lowlevel.checkpoint()
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(main()) for _ in range(3)]
    gc.collect()

    assert [loop() for loop in loops] == [None, None, None]
