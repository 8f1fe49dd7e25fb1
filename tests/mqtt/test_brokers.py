"""The brokers of the tests are what they say, seen by a client that has nothing to do with SPA."""

from __future__ import annotations

import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiomqtt
import anyio
import pytest
from brokers.mosquitto import PASSWORD, READER, USER
from brokers.process import LOOPBACK
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from brokers.mosquitto import Mosquitto
    from brokers.rumqttd import Rumqttd

pytestmark = pytest.mark.anyio

V4, V5 = aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5


@asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncIterator[aiomqtt.Client]:
    """Connect within ten seconds, and within ten more have done."""
    options = {"hostname": LOOPBACK, "port": port, "protocol": V5, "timeout": 10} | options
    with anyio.fail_after(20):
        async with aiomqtt.Client(**options) as client:
            yield client


async def next_message(client: aiomqtt.Client) -> bytes:
    """Return the payload of the next message."""
    message = await anext(aiter(client.messages))
    assert isinstance(message.payload, bytes)
    return message.payload


async def round_trip(client: aiomqtt.Client, topic: str) -> None:
    """Publish to oneself."""
    await client.subscribe(topic, qos=1)
    await client.publish(topic, b"there and back", qos=1)

    assert await next_message(client) == b"there and back"


def trusting(broker: Mosquitto) -> ssl.SSLContext:
    """Return a context that trusts the broker's authority."""
    return ssl.create_default_context(cafile=broker.certificates.authority)


def shake_hands(port: int, context: ssl.SSLContext) -> None:
    """Begin to speak TLS, as a client that says nothing, and wait for the broker's answer."""
    with (
        socket.create_connection((LOOPBACK, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=LOOPBACK) as encrypted,
    ):
        encrypted.recv(1)


@pytest.mark.parametrize("protocol", [V4, V5], ids=["3.1.1", "5"])
async def test_anybody(mosquitto: Mosquitto, topic: str, protocol: aiomqtt.ProtocolVersion) -> None:
    """Mosquitto lets everybody in, with MQTT 3.1.1 and 5."""
    async with connected(mosquitto.ports.plain, protocol=protocol) as client:
        await round_trip(client, topic)


async def test_login(mosquitto: Mosquitto, topic: str) -> None:
    """A user who knows the password is let in."""
    async with connected(mosquitto.ports.login, username=USER, password=PASSWORD) as client:
        await round_trip(client, topic)


@pytest.mark.parametrize("password", ["wrong", None])
async def test_refused(mosquitto: Mosquitto, password: str | None) -> None:
    """A user who does not know the password is refused."""
    with pytest.raises(aiomqtt.MqttError):
        async with connected(mosquitto.ports.login, username=USER if password else None, password=password):
            pytest.fail("it was let in")


async def test_a_reader_cannot_publish(mosquitto: Mosquitto, topic: str) -> None:
    """What the reader publishes does not arrive, what others publish does."""
    async with (
        connected(mosquitto.ports.restricted, username=READER, password=PASSWORD) as reader,
        connected(mosquitto.ports.restricted, username=USER, password=PASSWORD) as writer,
    ):
        await reader.subscribe(topic, qos=1)
        await reader.publish(topic, b"refused", qos=1)
        await writer.publish(topic, b"allowed", qos=1)

        assert await next_message(reader) == b"allowed"


async def test_tls(mosquitto: Mosquitto, topic: str) -> None:
    """The broker's certificate is good for who trusts its authority."""
    async with connected(mosquitto.ports.tls, tls_context=trusting(mosquitto)) as client:
        await round_trip(client, topic)


def test_nobody_else_trusts_it(mosquitto: Mosquitto) -> None:
    """The broker's certificate is good for nobody else."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(mosquitto.ports.tls, ssl.create_default_context())


async def test_client_certificates(mosquitto: Mosquitto, topic: str) -> None:
    """Where a certificate of the client is needed, one of the authority's is enough."""
    context = trusting(mosquitto)
    context.load_cert_chain(mosquitto.certificates.client)
    async with connected(mosquitto.ports.mutual_tls, tls_context=context) as client:
        await round_trip(client, topic)


def test_no_client_certificate(mosquitto: Mosquitto) -> None:
    """Where a certificate of the client is needed, none is refused."""
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        shake_hands(mosquitto.ports.mutual_tls, trusting(mosquitto))


async def test_websockets(mosquitto: Mosquitto, topic: str) -> None:
    """Websockets work, in clear and over TLS."""
    async with connected(mosquitto.ports.ws, transport="websockets") as client:
        await round_trip(client, topic)
    async with connected(mosquitto.ports.wss, transport="websockets", tls_context=trusting(mosquitto)) as client:
        await round_trip(client, topic)


async def test_the_unix_socket(mosquitto: Mosquitto, topic: str) -> None:
    """The unix socket works."""
    async with connected(1, hostname=str(mosquitto.unix_path), transport="unix") as client:
        await round_trip(client, topic)


def lasting() -> dict[str, Any]:
    """Return the options of a session that outlives its connection."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    return {"identifier": "lasting", "clean_start": False, "properties": properties}


async def leave_a_message(port: int, topic: str, payload: bytes) -> None:
    """Let a message wait in the lasting session."""
    async with connected(port, **lasting()) as client:
        await client.subscribe(topic, qos=1)
    async with connected(port) as client:
        await client.publish(topic, payload, qos=1)


async def test_sessions_survive_a_restart(mortal_mosquitto: Mosquitto, topic: str) -> None:
    """A session and what waits in it are there after a restart."""
    await leave_a_message(mortal_mosquitto.ports.plain, topic, b"waiting")
    mortal_mosquitto.restart()
    async with connected(mortal_mosquitto.ports.plain, **lasting()) as client:
        assert await next_message(client) == b"waiting"


async def test_what_was_saved_survives_a_kill(mortal_mosquitto: Mosquitto, topic: str) -> None:
    """After a kill there is what was saved, and nothing since."""
    await leave_a_message(mortal_mosquitto.ports.plain, topic, b"saved")
    mortal_mosquitto.save()
    await leave_a_message(mortal_mosquitto.ports.plain, topic, b"forgotten")
    mortal_mosquitto.kill()
    mortal_mosquitto.start()
    async with connected(mortal_mosquitto.ports.plain, **lasting()) as client:
        assert await next_message(client) == b"saved"
        await round_trip(client, topic)


async def test_pause(mortal_mosquitto: Mosquitto, topic: str) -> None:
    """A paused broker keeps its connections and answers nothing, until it goes on."""
    async with connected(mortal_mosquitto.ports.plain) as client:
        mortal_mosquitto.pause()
        with pytest.raises(aiomqtt.MqttError, match="timed out"):
            await client.publish(topic, b"unheard", qos=1, timeout=0.1)
        mortal_mosquitto.resume()
        await round_trip(client, topic)


@pytest.mark.parametrize("protocol", [V4, V5], ids=["3.1.1", "5"])
async def test_rumqttd(rumqttd: Rumqttd, topic: str, protocol: aiomqtt.ProtocolVersion) -> None:
    """It speaks MQTT 3.1.1 on one port and 5 on the other."""
    port = {V4: rumqttd.port_of_v4, V5: rumqttd.port_of_v5}[protocol]
    async with connected(port, protocol=protocol) as client:
        await round_trip(client, topic)
