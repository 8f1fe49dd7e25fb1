"""What the seam relies on inside of aiomqtt and paho, and what it does on the event loop: fails when they change."""

from __future__ import annotations

import gc
import inspect
import logging
from typing import TYPE_CHECKING, Any

import aiomqtt
import anyio
import pytest
from paho.mqtt import client as paho

from spa_core.errors import ConnectError, DisconnectedError
from spa_core.url import Host
from spa_mqtt import MqttConfig, packets
from spa_mqtt.client import Connection
from spa_mqtt.client._driver import Driver, _Paho
from spa_mqtt.connecting import Filter, Settings

if TYPE_CHECKING:
    from brokers.mosquitto import Mosquitto

    from spa_mqtt.failures import Loss
    from spa_mqtt.packets import Incoming

pytestmark = pytest.mark.anyio

METHODS = {
    "_create_socket": ["self"],
    "_handle_pingresp": ["self"],
    "_handle_publish": ["self"],
    "_handle_pubackcomp": ["self", "cmd"],
    "_handle_pubrec": ["self"],
    "_handle_pubrel": ["self"],
    "_loop_rc_handle": ["self", "rc"],
    "_mid_generate": ["self"],
    "_packet_queue": ["self", "command", "packet", "mid", "qos", "info"],
    "_sock_close": ["self"],
    "loop_misc": ["self"],
    "loop_read": ["self", "max_packets"],
    "loop_write": ["self"],
    "want_write": ["self"],
}
"""What is called or overridden in paho, with its parameters."""

ATTRIBUTES = ("_in_packet", "_last_mid", "_ping_t", "_protocol", "_will_properties")
"""What is read or set in paho."""


class Ear:
    """Takes down what a connection tells."""

    def __init__(self) -> None:
        self.messages: list[Incoming] = []
        self.confirmed: list[tuple[int, int]] = []
        self.losses: list[Loss] = []

    def on_message(self, incoming: Incoming) -> None:
        """Take down a message."""
        self.messages.append(incoming)

    def on_confirmed(self, mid: int, code: int) -> None:
        """Take down a confirmation."""
        self.confirmed.append((mid, code))

    def on_lost(self, loss: Loss) -> None:
        """Take down the end."""
        self.losses.append(loss)


def settings(port: int, **changes: Any) -> Settings:
    """Return what to connect with."""
    wanted: dict[str, Any] = {
        "config": MqttConfig("127.0.0.1", port),
        "host": Host("127.0.0.1", port),
        "tls": None,
        "client_id": "test-client",
        "is_v5": True,
        "clean_start": True,
        "session_expiry": 0,
        "receive_maximum": 100,
        "has_will": False,
    }
    return Settings(**(wanted | changes))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_paho_has_the_methods_that_are_used(name: str) -> None:
    """Paho still has each private method that is called or overridden, with the parameters it had."""
    assert list(inspect.signature(getattr(paho.Client, name)).parameters) == METHODS[name]


def test_every_overridden_method_is_known() -> None:
    """Whatever our paho overrides is in the list above."""
    assert {name for name in vars(_Paho) if name.startswith("_handle")} <= METHODS.keys()


async def test_aiomqtt_keeps_paho_where_it_was() -> None:
    """Aiomqtt makes a paho client, keeps it in ``_client``, and paho has the attributes that are used."""
    made = aiomqtt.Client("unused", protocol=aiomqtt.ProtocolVersion.V5)._client

    assert type(made) is paho.Client
    assert [name for name in ATTRIBUTES if not hasattr(made, name)] == []


async def test_level_2_is_confirmed_after_the_listener_says_so(mosquitto: Mosquitto, topic: str) -> None:
    """A message of level 2 is handed on when it comes, and PUBREC is sent when it is acknowledged, not before."""
    ear = Ear()
    connection = Connection(settings(mosquitto.ports.plain), ear)
    with anyio.fail_after(20):
        await connection.connect()
        assert await connection.subscribe([Filter(text=topic, qos=2)]) == [2]
        mid = connection.next_mid(after=0)
        connection.publish(packets.publish(topic, b"body", mid=mid, qos=2, retain=False, properties=b""))
        while not ear.messages or not ear.confirmed:
            await anyio.lowlevel.checkpoint()
        await connection.ping()
        [message] = ear.messages
        connection.acknowledge([(message.mid, message.qos)])
        await connection.ping()
        await connection.disconnect(forget=True)
    connection.abort()

    assert (message.payload, message.qos, ear.confirmed) == (b"body", 2, [(mid, 0)])
    assert len(ear.messages) == 1


async def test_the_end_is_told_once_and_to_everybody(mortal_mosquitto: Mosquitto) -> None:
    """When a connection ends, whoever waits for an answer hears of it, and so does the listener, once."""
    ear = Ear()
    connection = Connection(settings(mortal_mosquitto.ports.plain), ear)
    waited: list[DisconnectedError] = []

    async def wait() -> None:
        try:
            await connection.ping()
        except DisconnectedError as error:
            waited.append(error)

    with anyio.fail_after(20):
        await connection.connect()
        mortal_mosquitto.pause()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            mortal_mosquitto.kill()
    connection.abort()

    assert (len(waited), len(ear.losses), connection.is_over) == (3, 1, True)
    with pytest.raises(DisconnectedError, match="has ended"):
        await connection.ping()


async def test_an_aborted_connection_tells_nothing(mosquitto: Mosquitto) -> None:
    """After it was given up a connection is closed, and its listener hears nothing of it."""
    ear = Ear()
    connection = Connection(settings(mosquitto.ports.plain), ear)
    with anyio.fail_after(20):
        await connection.connect()
    connection.abort()
    connection.abort()

    assert ear.losses == []
    assert connection.is_over


async def test_nothing_is_logged_or_warned_of(mortal_mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    """Connections that are refused, aborted or lost leave no line in the log and no exception that nobody retrieved."""
    with caplog.at_level(logging.DEBUG), anyio.fail_after(20):
        for _ in range(3):
            connection = Connection(settings(mortal_mosquitto.ports.plain), Ear())
            await connection.connect()
            connection.abort()
        refused = Connection(settings(mortal_mosquitto.ports.login), Ear())
        with pytest.raises(ConnectError):
            await refused.connect()
        refused.abort()
        ear = Ear()
        lost = Connection(settings(mortal_mosquitto.ports.plain), ear)
        await lost.connect()
        mortal_mosquitto.kill()
        while not ear.losses:
            await anyio.lowlevel.checkpoint()
        lost.abort()
        del connection, refused, lost
        gc.collect()
        await anyio.lowlevel.checkpoint()

    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


def test_a_driver_needs_a_running_event_loop() -> None:
    """Aiomqtt's client can be made on asyncio only, which is why sockets refuse to open elsewhere."""
    with pytest.raises(RuntimeError, match="event loop"):
        Driver(settings(1883), None)  # type: ignore[arg-type]  # it does not come so far


@pytest.mark.parametrize("fast_path", ["auto", "off"])
async def test_answers_are_read_although_reading_is_paused(mosquitto: Mosquitto, topic: str, fast_path: str) -> None:
    """Who waits for an answer gets it, although it comes behind messages that nobody wants now."""
    ear = Ear()
    config = MqttConfig("127.0.0.1", mosquitto.ports.plain, fast_path=fast_path)  # type: ignore[arg-type]  # a parameter
    connection = Connection(settings(mosquitto.ports.plain, config=config), ear)
    with anyio.fail_after(20):
        await connection.connect()
        await connection.subscribe([Filter(text=topic, qos=0)])
        connection.pause()
        for _ in range(500):
            connection.publish(packets.publish(topic, bytes(500), mid=0, qos=0, retain=False, properties=b""))
        await connection.ping()
        assert await connection.subscribe([Filter(text=f"{topic}/other", qos=1)]) == [1]
        seen = len(ear.messages)
        connection.publish(packets.publish(topic, b"later", mid=0, qos=0, retain=False, properties=b""))
        await connection.drained()
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert len(ear.messages) == seen
        connection.resume()
        while len(ear.messages) < 501:
            await anyio.lowlevel.checkpoint()
    connection.abort()
