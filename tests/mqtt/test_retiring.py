"""How a member of a group is taken out for good, as the page for operators says."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import anyio
import pytest
from brokers.process import LOOPBACK

from spa_core import SpaMessage
from spa_core.transport import ACK, SubscriptionSpec
from spa_mqtt import MqttConfig, MqttSocketProvider

if TYPE_CHECKING:
    from brokers.mosquitto import Mosquitto

    from spa_core.transport import Subscription, TransportSocket

pytestmark = pytest.mark.anyio


async def publish(socket: TransportSocket, topic: str, numbers: range) -> None:
    """Publish numbers, one after the other."""
    for number in numbers:
        await socket.publish(SpaMessage(topic=topic, payload=b"%d" % number))


async def take(subscription: Subscription, count: int) -> set[int]:
    """Take and acknowledge so many messages."""
    taken: set[int] = set()
    while len(taken) < count:
        for delivery in await subscription.receive_batch(count):
            taken.add(int(delivery.message.payload))
            await delivery.settle(ACK)
    return taken


async def test_a_member_that_ends_its_session_gets_what_waited_and_no_share_any_more(
    mosquitto: Mosquitto, topic: str
) -> None:
    """A member that went keeps getting its share; started with ``session_expiry=0`` it takes that and gets no more."""
    run = secrets.token_hex(4)
    spec = SubscriptionSpec(topics=(topic,), group="group")

    def member(name: str, **fields: float) -> MqttSocketProvider:
        return MqttSocketProvider(MqttConfig(LOOPBACK, mosquitto.ports.plain, client_id=f"{name}-{run}", **fields))

    with anyio.fail_after(30):
        async with member("stays").open(lambda _: None) as socket, socket.subscribe(spec) as stays:
            async with member("goes").open(lambda _: None) as other, other.subscribe(spec):
                pass
            await publish(socket, topic, range(10))
            shared = await take(stays, 5)
            async with member("goes", session_expiry=0).open(lambda _: None) as other, other.subscribe(spec) as goes:
                waited = await take(goes, 5)
            await publish(socket, topic, range(10, 20))
            alone = await take(stays, 10)

    assert shared | waited == set(range(10))
    assert alone == set(range(10, 20))
