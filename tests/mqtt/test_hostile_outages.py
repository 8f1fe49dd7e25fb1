"""What an operator reads in the log while a broker is away, fights over a session or cannot be understood."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core.errors import ConnectError
from spa_core.testing import FaultProxy
from spa_core.transport import SubscriptionSpec
from spa_mqtt import MqttConfig, MqttSocketProvider
from spa_mqtt.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable

    from brokers.mosquitto import Mosquitto

    from spa_core.transport import ConnectionEvent

pytestmark = pytest.mark.anyio

PATIENCE = 30


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    with anyio.fail_after(PATIENCE):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def test_an_outage_is_told_once_however_many_connections_and_attempts_it_takes(
    mortal_mosquitto: Mosquitto, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost broker is one warning, each way to fail another, its return one line; a second outage is told again."""
    events: list[ConnectionEvent] = []
    config = MqttConfig("127.0.0.1", mortal_mosquitto.ports.plain, reconnect_min=0.01, reconnect_max=0.02)

    def attempts() -> int:
        return sum("no connection to" in record.getMessage() for record in caplog.records)

    caplog.set_level(logging.DEBUG, "spa_mqtt.link")
    async with (
        MqttSocketProvider(config).open(events.append) as socket,
        socket.subscribe(SubscriptionSpec(topics=(f"{topic}/1",))),
        socket.subscribe(SubscriptionSpec(topics=(f"{topic}/2",))),
    ):
        for outages in (1, 2):
            before = attempts()
            await anyio.to_thread.run_sync(mortal_mosquitto.stop)
            await until(lambda before=before: attempts() >= before + 20)  # type: ignore[misc]
            await anyio.to_thread.run_sync(mortal_mosquitto.start)
            await until(lambda outages=outages: len(events) == 1 + 2 * outages)  # type: ignore[misc]

    told = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert [record.levelname for record in told] == ["WARNING", "WARNING", "INFO"] * 2
    assert "tried again until it is back" in told[0].getMessage()
    assert "Connection refused" in told[1].getMessage()
    assert "connected again" in told[2].getMessage()


async def test_two_programs_of_one_name_are_told_what_may_be_the_matter(
    mosquitto: Mosquitto, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that ends connections soon, again and again, and does not say why makes the log doubt the client id."""
    events: list[ConnectionEvent] = []
    host, port = "127.0.0.1", mosquitto.ports.plain
    name = topic.replace("/", "-")
    told = f"{name!r}: give each its own client_id"
    ours = MqttSocketProvider(MqttConfig(host, port, client_id=name, reconnect_max=0.1))
    # Another way to the same broker, so that this process does not know that it is the same.
    theirs = MqttSocketProvider(MqttConfig("localhost", port, client_id=name))
    async with ours.open(events.append), theirs.open(lambda _: None):
        await until(lambda: any(told in event.reason for event in events))

    assert told in caplog.text
    assert told not in events[1].reason  # one loss is no sign of it


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example"])
async def test_what_cannot_be_the_name_of_a_host_is_told(host: str) -> None:
    """A name that no resolver takes is a typed error at once."""
    with pytest.raises(ConnectError, match="cannot be the name of a host") as caught:
        async with MqttSocketProvider(MqttConfig(host)).open(lambda _: None):
            pass

    assert not caught.value.retriable


async def test_nothing_that_goes_wrong_ends_the_attempts(
    mortal_mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An attempt that breaks in a way nobody thought of is told once and followed by others."""
    events: list[ConnectionEvent] = []
    config = MqttConfig("127.0.0.1", mortal_mosquitto.ports.plain, reconnect_min=0.01, reconnect_max=0.02)
    broken = 0

    async def breaks(*_: object) -> object:
        nonlocal broken
        broken += 1
        raise RuntimeError("can't start new thread")

    async with MqttSocketProvider(config).open(events.append):
        with monkeypatch.context() as patch:
            patch.setattr("spa_mqtt.client._connection.open_way", breaks)
            await anyio.to_thread.run_sync(mortal_mosquitto.restart)
            await until(lambda: broken > 3)
        await until(lambda: len(events) == 3)

    assert [record.exc_text is not None for record in caplog.records].count(True) == 1


def test_a_fault_is_told_in_any_case_and_once(caplog: pytest.LogCaptureFixture) -> None:
    """What somebody has to mend is told although another link is lost already, and never again in one outage."""
    outage = Outage()
    outage.lost("first", "gone")
    for _ in range(2):
        outage.lost("second", "taken over", is_fault=True)

    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "gone; it is tried again until it is back"),
        ("ERROR", "taken over"),
    ]


def test_who_leaves_during_an_outage_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """A link that is closed while the broker is away does not make the outage last."""
    caplog.set_level(logging.INFO)
    outage = Outage()
    outage.lost("first", "gone")
    outage.lost("second", "gone")
    outage.left("second")
    outage.back("first", "broker")

    assert "broker: connected again" in caplog.text


async def test_what_to_look_at_when_a_broker_says_nothing(mosquitto: Mosquitto) -> None:
    """A broker that hangs up without a word, as Mosquitto does when it is full, is told with what may be the matter."""
    async with FaultProxy("127.0.0.1", mosquitto.ports.plain) as proxy:
        proxy.accept_then_close()
        with pytest.raises(ConnectError, match="ended the connection") as caught:
            async with MqttSocketProvider(MqttConfig(proxy.host, proxy.port, connect_timeout=0.5)).open(lambda _: None):
                pass

    assert "all the connections that it allows" in str(caught.value.hint)
    assert "waiting for the broker's answer to CONNECT. Is it an MQTT broker? Check" in str(caught.value)
