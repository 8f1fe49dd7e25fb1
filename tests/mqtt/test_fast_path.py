"""What the fast path reads and writes: the same as paho, whatever arrives in whatever pieces."""

from __future__ import annotations

import asyncio
import itertools
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spa_core import SocketProviderFactory
from spa_core.transport import ACK, SubscriptionSpec
from spa_core.url import Host
from spa_mqtt import MqttConfig, packets
from spa_mqtt.client._buffered import BufferedSocket
from spa_mqtt.client._connection import Connection
from spa_mqtt.client._driver import Driver
from spa_mqtt.client._fast import FastDriver, PacketSocket, driver_for
from spa_mqtt.connecting import Settings
from spa_mqtt.packets import MalformedPacketError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from brokers.mosquitto import Mosquitto

BIG = 200_000


class Recorder:
    """Takes down what a driver tells."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.is_lost = False

    def connected(self, code: int, *, session_present: bool, properties: object) -> None:
        """Take down a CONNACK."""
        self.told.append(("connected", code, session_present, str(properties)))

    def lost(self, code: int, *, by_broker: bool) -> None:
        """Take down the end."""
        self.told.append(("lost", code, by_broker))
        self.is_lost = True

    def leaves(self, descriptor: int) -> None:
        """The event loop's business."""

    def written(self, descriptor: int) -> None:
        """The event loop's business."""

    def wants_to_write(self) -> None:
        """The event loop's business."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told: self.told.append((name, *told))


def made(*, is_v5: bool = True, **fields: Any) -> Settings:
    """What a connection is made with."""
    return Settings(
        config=MqttConfig(**fields),
        host=Host("broker", 1883),
        tls=None,
        client_id="test",
        is_v5=is_v5,
        clean_start=True,
        session_expiry=0,
        receive_maximum=100,
        has_will=False,
    )


@contextmanager
def opened(kind: type[Driver], *, is_v5: bool = True) -> Iterator[tuple[Driver, Recorder, socket.socket]]:
    """A driver that has sent CONNECT, what it tells, and the broker's end."""
    ours, theirs = socket.socketpair()
    recorder = Recorder()
    with ours, theirs:
        ours.settimeout(0)
        theirs.settimeout(0)
        driver = kind(made(is_v5=is_v5), recorder)
        driver.open(BufferedSocket(ours))
        driver.write()
        yield driver, recorder, theirs
        driver.close()


def packet(first: int, body: bytes) -> bytes:
    """A packet with its length."""
    return bytes((first,)) + packets.varint(len(body)) + body


def publish(topic: str, payload: bytes, mid: int, qos: int, *, dup: bool = False, is_v5: bool = True) -> bytes:
    """A PUBLISH with a content type."""
    properties = b"\x03\x00\x04json" if is_v5 else None
    return packets.publish(topic, payload, mid=mid, qos=qos, retain=False, properties=properties, dup=dup)


MIDS = st.integers(1, 65_535)
CONNACK = packet(0x20, b"\x00\x00\x00")
TEXTS = st.text("abc/é", min_size=1, max_size=8)
PACKETS = st.one_of(
    st.builds(publish, TEXTS, st.binary(max_size=300), MIDS, st.sampled_from([0, 1, 2]), dup=st.booleans()),
    st.builds(lambda kind, mid: packet(kind, mid.to_bytes(2)), st.sampled_from([0x40, 0x50, 0x62, 0x70]), MIDS),
    st.builds(lambda mid: packet(0x40, mid.to_bytes(2) + b"\x10\x00"), MIDS),
    st.builds(lambda mid: packet(0x90, mid.to_bytes(2) + b"\x00\x01"), MIDS),
    st.just(packet(0xD0, b"")),
)
ENDINGS = st.sampled_from(
    [
        b"",
        packet(0xE0, b"\x8e"),  # DISCONNECT: taken over
        b"\x30\xff\xff\xff\xff\xff",  # a length of five bytes
        packet(0x32, b"\x00\x09abc"),  # a PUBLISH that is cut short
        packet(0x40, b"\x01"),  # a PUBACK that is cut short
    ]
)


async def told_of(kind: type[Driver], stream: bytes, cuts: list[int]) -> list[Any]:
    """What a driver tells of a stream that comes in pieces, and of its end."""
    with opened(kind) as (driver, recorder, broker):
        places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
        for start, end in itertools.pairwise(places):
            if recorder.is_lost:
                break
            broker.sendall(stream[start:end])
            while not recorder.is_lost and driver.read():
                pass
        if not recorder.is_lost:
            broker.shutdown(socket.SHUT_WR)
        while not recorder.is_lost:
            driver.read()
        return recorder.told


@given(st.lists(PACKETS, max_size=12), ENDINGS, st.lists(st.integers(0, 10_000), max_size=12))
@settings(deadline=None)
def test_it_tells_what_paho_tells(sent: list[bytes], ending: bytes, cuts: list[int]) -> None:
    """Of any packets, in any pieces and with any end, both drivers tell the same, in the same order."""
    stream = CONNACK + b"".join(sent) + ending

    fast, plain = (anyio.run(told_of, kind, stream, cuts) for kind in (FastDriver, Driver))

    assert fast == plain


@given(st.lists(st.binary(max_size=400), min_size=1), st.lists(st.integers(1, 500), min_size=1))
@settings(deadline=None)
def test_packets_are_taken_whole(bodies: list[bytes], sizes: list[int]) -> None:
    """Whatever a read gives, packets come out as they went in; one that was put back comes again."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        source = PacketSocket(ours)
        stream = b"".join(packet(0x30, body) for body in bodies)
        found: list[tuple[int, bytes]] = []
        for place in range(0, len(stream), sizes[0]):
            theirs.sendall(stream[place : place + sizes[0]])
            while (taken := source.packet()) is not None:
                source.put_back()
                assert source.packet() == taken
                found.append(taken)

        assert found == [(0x30, body) for body in bodies]


def test_a_large_packet_is_put_together_once() -> None:
    """A packet of many reads is joined when all of it is there, and nothing of it is copied before."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        source = PacketSocket(ours)
        whole, taken = packet(0x30, bytes(BIG)) + packet(0xD0, b""), None
        for place in range(0, len(whole), 10_000):
            assert taken is None
            theirs.sendall(whole[place : place + 10_000])
            taken = source.packet()
            if taken is None:
                assert len(source._chunk) <= 10_000

        assert taken == (0x30, bytes(BIG))
        assert source.packet() == (0xD0, b"")
        assert source.pending() == 0


def test_the_end_and_a_missing_length_are_errors() -> None:
    """An ended connection and a length of five bytes are told apart from a packet that has not come yet."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        source = PacketSocket(ours)

        assert source.packet() is None
        theirs.sendall(b"\x30\xff\xff\xff\xff\xff")
        with pytest.raises(MalformedPacketError):
            source.packet()
        theirs.close()
        with pytest.raises(EOFError):
            PacketSocket(ours).packet()


@pytest.mark.anyio
async def test_what_does_not_fit_is_sent_later_and_in_order() -> None:
    """When the system takes no more, the rest waits in front of everything that is sent afterwards."""
    with opened(FastDriver) as (driver, _, broker):
        received = bytearray(broker.recv(1000))
        received.clear()
        sent = bytearray()
        for number in range(40):
            piece = bytes((number,)) * 50_000
            driver.queue(piece)
            sent += piece

        driver.queue(b"late")
        while driver.write():
            received += broker.recv(1_000_000)
        while len(received) < len(sent) + 4:
            received += broker.recv(1_000_000)
        assert bytes(received) == bytes(sent) + b"late"


@pytest.mark.anyio
async def test_what_is_sent_past_paho_counts_for_the_keepalive() -> None:
    """A connection on which messages flow both ways needs no PINGREQ."""
    with opened(FastDriver) as (driver, _, broker):
        broker.sendall(CONNACK + publish("a", b"", 1, 1))
        while driver.read():
            pass
        driver.queue(packets.confirmation(packets.PUBACK, 1))
        driver._paho._last_msg_out = 0.0
        setattr(driver._paho, driver._heard_at, 0.0)  # type: ignore[attr-defined]
        driver.tick()
        driver.write()

        assert not broker.recv(1000).endswith(b"\xc0\x00")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url_fields", "expected"),
    [
        ({}, FastDriver),
        ({"fast_path": "off"}, Driver),
        ({"scheme": "ws"}, Driver),
        ({"scheme": "wss"}, Driver),
        ({"scheme": "mqtts"}, FastDriver),
        ({"scheme": "mqtt+unix", "unix_path": "/run/broker"}, FastDriver),
    ],
)
async def test_it_is_used_where_it_can_be(url_fields: dict[str, Any], expected: type[Driver]) -> None:
    """The configuration can turn it off, and websockets, which do their own buffering, go without it."""
    assert type(driver_for(made(**url_fields), Recorder())) is expected


@pytest.mark.anyio
async def test_an_unknown_paho_is_used_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paho that keeps its times elsewhere gets the plain path, and everything goes on."""
    assert FastDriver(made(), Recorder()).is_possible
    monkeypatch.setattr("spa_mqtt.client._fast._HEARD_AT", ("_somewhere_else",))
    assert type(driver_for(made(), Recorder())) is Driver


@pytest.mark.anyio
@pytest.mark.parametrize("fast_path", ["auto", "off"])
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws", "mqtt+unix"])
async def test_messages_of_all_sizes_pass_with_and_without_it(
    mosquitto: Mosquitto, topic: str, scheme: str, fast_path: str
) -> None:
    """Small and large messages, many at once, go out and come back in order, over every way to a broker."""
    bodies = [bytes([number % 256]) * (BIG if number % 50 == 0 else number) for number in range(300)]
    provider = SocketProviderFactory.from_url(mosquitto.url(scheme, fast_path=fast_path))
    received: list[bytes] = []
    with anyio.fail_after(30):
        async with (
            provider.create_socket() as socket_,
            provider.open(lambda _: None) as transport,
            transport.subscribe(SubscriptionSpec(topics=(topic,))) as subscription,
            anyio.create_task_group() as tasks,
        ):
            await socket_.publish(topic, bodies[0])
            for body in bodies[1:]:
                tasks.start_soon(socket_.publish, topic, body)
            while len(received) < len(bodies):
                for delivery in await subscription.receive_batch(50):
                    received.append(delivery.message.payload)
                    await delivery.settle(ACK)

    assert received == bodies


@pytest.mark.anyio
@pytest.mark.parametrize("fast_path", ["auto", "off"])
async def test_nothing_comes_between_the_parts_of_a_packet(fast_path: str) -> None:
    """A PINGREQ that is due while a large message is half sent goes behind it."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs, anyio.fail_after(30):
        ours.settimeout(0)
        theirs.settimeout(0)
        connection = Connection(made(fast_path=fast_path), Recorder())
        connection._driver.open(BufferedSocket(ours))
        greeting = await loop.sock_recv(theirs, 1000)
        connection._may_answer = True
        large = publish("a", bytes(10 * BIG), 1, 1)
        connection.publish(large)
        connection._driver._paho._send_pingreq()
        received = bytearray()
        while len(received) < len(large) + 2:
            received += await loop.sock_recv(theirs, 1_000_000)
        connection.abort()

    assert greeting[:1] == b"\x10"
    assert bytes(received) == large + b"\xc0\x00"
