"""Many topics, many publishes at once, and brokers that end connections over what is published."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from brokers.process import LOOPBACK
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import PublishError, PublishRefusedError
from spa_core.message import SpaMessage
from spa_core.testing import FaultProxy
from spa_core.transport import SubscriptionSpec
from spa_mqtt import MqttConfig, MqttSocketProvider, routes
from spa_mqtt.routes import Routes, covers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from brokers.mosquitto import Mosquitto

    from spa_core.transport import TransportSocket

pytestmark = pytest.mark.anyio

PATIENCE = 30
LEVELS = st.sampled_from(["a", "b", "", "$c", "+"])


def _filter(levels: list[str], *, has_rest: bool) -> str:
    return "/".join([*levels, "#"] if has_rest else levels) or "/"


FILTERS = st.builds(_filter, st.lists(LEVELS, min_size=1, max_size=3), has_rest=st.booleans())


@given(st.lists(st.one_of(st.just("#"), FILTERS), min_size=1, max_size=8, unique=True))
def test_only_what_no_other_filter_covers_is_asked_for(filters: list[str]) -> None:
    """The broker is asked for exactly the filters that no other one covers."""
    asked = Routes(filters).filters

    assert asked == tuple(each for each in filters if not any(covers(other, each) for other in filters))


def test_a_thousand_topics_do_not_stop_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each filter is compared with the few that can cover it, not with every other."""
    compared = 0

    def counted(wide: str, narrow: str) -> bool:
        nonlocal compared
        compared += 1
        return covers(wide, narrow)

    monkeypatch.setattr(routes, "covers", counted)
    found = Routes(f"plants/{number}/+" for number in range(1000)).filters

    assert len(found) == 1000
    assert compared < 3000


class Counted:
    """A coroutine that is awaited through this counts how often it is resumed."""

    def __init__(self, inner: Coroutine[Any, Any, object]) -> None:
        self.turns = 0
        self._inner = inner

    def __await__(self) -> Generator[Any, Any, None]:
        """Step the coroutine to its end."""
        steps = self._inner.__await__()
        value: Any = None
        while True:
            try:
                waited_for = steps.send(value)
            except StopIteration:
                return
            self.turns += 1
            value = yield waited_for


async def test_who_waits_for_room_sleeps_until_its_turn(mosquitto: Mosquitto, topic: str) -> None:
    """However many publishes wait for room, a confirmation wakes one of them; they are sent in the order of asking."""
    config = MqttConfig(LOOPBACK, mosquitto.ports.plain, outbox_max=5, publish_window=2)
    async with (
        MqttSocketProvider(config).open(lambda _: None) as socket,
        socket.subscribe(SubscriptionSpec(topics=(topic,), prefetch=300)) as subscription,
    ):
        publishes = [Counted(publish(socket, topic, str(number))) for number in range(200)]
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for each in publishes:
                    tasks.start_soon(awaited, each)
            received: list[bytes] = []
            while len(received) < 200:
                received += [delivery.message.payload for delivery in await subscription.receive_batch(300)]

    assert received == [str(number).encode() for number in range(200)]
    assert max(each.turns for each in publishes) < 10


async def publish(socket: TransportSocket, topic: str, text: str) -> None:
    """Publish a text."""
    await socket.publish(SpaMessage(topic=topic, payload=text.encode()))


async def awaited(each: Counted) -> None:
    """Await it."""
    await each


async def test_why_a_message_made_the_broker_hang_up_is_told(
    make_mosquitto: Callable[..., Mosquitto], topic: str
) -> None:
    """What the broker says when it ends each connection over a message is in the error of that message."""
    broker = make_mosquitto("retain_available false")
    config = MqttConfig(LOOPBACK, broker.ports.plain, reconnect_min=0.01, reconnect_max=0.02)
    async with MqttSocketProvider(config).open(lambda _: None) as socket:
        with anyio.fail_after(PATIENCE), pytest.raises(PublishRefusedError) as caught:
            await socket.publish(SpaMessage(topic=topic, retain=True))

    assert "retain not supported" in caught.value.reason
    assert caught.value.reason in caught.value.message


async def test_why_there_is_no_connection_is_told_after_failed_attempts_too(
    mosquitto: Mosquitto, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While a broker is away, what needs a connection says that it was lost, not that somebody closed it."""
    caplog.set_level(logging.DEBUG, "spa_mqtt.link")
    async with FaultProxy(LOOPBACK, mosquitto.ports.plain) as proxy:
        config = MqttConfig(LOOPBACK, proxy.port, reconnect_min=0.01, reconnect_max=0.02)
        async with MqttSocketProvider(config).open(lambda _: None) as socket:
            await proxy.refuse()
            await proxy.cut()
            with anyio.fail_after(PATIENCE):
                while caplog.text.count("no connection to") < 3:
                    await anyio.lowlevel.checkpoint()
            with pytest.raises(PublishError, match="the connection was lost"):
                await socket.publish(SpaMessage(topic=topic, quality_of_service=0))
            proxy.accept()
