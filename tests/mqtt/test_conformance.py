"""The MQTT transport under the conformance suite: Mosquitto and rumqttd, MQTT 5 and 3.1.1, behind a fault proxy."""

from __future__ import annotations

import itertools
import os
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anyio.to_thread
import pytest
from brokers.mosquitto import PASSWORD, USER
from brokers.process import LOOPBACK, free_port

from spa_core import SocketProviderFactory
from spa_core.testing.proxy import FaultProxy
from spa_core.testing.suite import TransportSuite
from spa_mqtt import MqttConfig, MqttSocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from brokers.mosquitto import Mosquitto
    from brokers.rumqttd import Rumqttd

    from spa_core import SocketProvider
    from spa_core.testing.kit import Kit
    from spa_core.testing.scenario import Scenario

_NOT_TOLD: Final = "rumqttd does not tell who publishes that nobody listens, which MQTT 5 leaves it free to do"

_RUN = secrets.token_hex(3)
_numbers = itertools.count(1)


class Behind(TransportSuite):
    """A suite for a broker behind a proxy that cuts the network."""

    __test__ = False

    url = "mqtt://localhost"
    options: ClassVar[dict[str, Any]] = {}
    """Fields of the configuration that the suite is about."""

    is_named: ClassVar[bool] = False
    """Whether clients have a name, and with it a session that outlives them."""

    lacks: ClassVar[Mapping[str, str]] = {}
    """What the broker does not do, by the names of the scenarios that need it."""

    proxy: FaultProxy

    def make_provider(self) -> SocketProvider[MqttConfig]:
        """Make a provider with a name that no other scenario uses, or without one."""
        name = {"client_id": f"kit-{_RUN}-{next(_numbers)}"} if self.is_named else {}
        return self.provider_for(self.proxy.port, **name)

    def provider_for(self, port: int, **fields: Any) -> SocketProvider[MqttConfig]:
        """Make a provider for a port of this machine."""
        return MqttSocketProvider(MqttConfig(LOOPBACK, port, **{"reconnect_max": 1.0} | self.options | fields))

    def reason_to_skip(self, scenario: Scenario, kit: Kit) -> str | None:
        """Return why a scenario is not for this transport or not for this broker."""
        return super().reason_to_skip(scenario, kit) or self.lacks.get(scenario.name)

    def make_unreachable_provider(self) -> SocketProvider[MqttConfig]:
        """Make a provider for a port where nothing listens."""
        return self.provider_for(free_port(), connect_timeout=0.5)

    @asynccontextmanager
    async def cut_network(self) -> AsyncIterator[None]:
        """Reset all connections, and refuse new ones."""
        await self.proxy.refuse()
        await self.proxy.cut()
        try:
            yield
        finally:
            self.proxy.accept()


class BehindMosquitto(Behind):
    """A suite for a Mosquitto of its own."""

    broker: Mosquitto
    way_in: ClassVar[str] = "plain"

    @pytest.fixture(autouse=True)
    async def network(self, suite_mosquitto: Mosquitto) -> AsyncIterator[None]:
        """Put a new proxy before the broker."""
        self.broker = suite_mosquitto
        async with FaultProxy(LOOPBACK, getattr(suite_mosquitto.ports, self.way_in)) as self.proxy:
            yield

    def make_refused_provider(self) -> SocketProvider[MqttConfig]:
        """Make a provider with a password that is wrong."""
        return self.provider_for(self.broker.ports.login, username=USER, password=PASSWORD[:-1])

    async def restart_broker(self) -> None:
        """Restart it, with all it stores."""
        await anyio.to_thread.run_sync(self.broker.restart)


class TestMosquitto(BehindMosquitto):
    """The guarantees over MQTT 5 for clients with a name."""

    __test__ = True

    subject = "mqtt://user:password@mosquitto?client_id=name"
    options: ClassVar[dict[str, Any]] = {"protocol": "5", "username": USER, "password": PASSWORD}
    is_named = True
    way_in = "login"


class TestMosquittoNameless(BehindMosquitto):
    """The guarantees over MQTT 5 for clients without a name."""

    __test__ = True

    subject = "mqtt://mosquitto"
    options: ClassVar[dict[str, Any]] = {"protocol": "5"}


class TestMosquitto311(BehindMosquitto):
    """The guarantees over MQTT 3.1.1."""

    __test__ = True

    subject = "mqtt://mosquitto?client_id=name&protocol=3.1.1"
    options: ClassVar[dict[str, Any]] = {"protocol": "3.1.1"}
    is_named = True


class TestRumqttd(Behind):
    """The guarantees over MQTT 5 at a broker that enforces the order of acknowledgements."""

    __test__ = True

    subject = "mqtt://rumqttd"
    options: ClassVar[dict[str, Any]] = {"protocol": "5"}
    lacks: ClassVar[Mapping[str, str]] = {
        "test_a_cancelled_subscribing_leaves_nothing_behind": _NOT_TOLD,
        "test_dollar_topics_are_hidden_from_leading_wildcards": "rumqttd throws out who subscribes below $",
        "test_no_responders_is_declared_as_it_is": _NOT_TOLD,
        "test_nobody_listening_is_told_at_once": _NOT_TOLD,
        "test_one_name_on_two_topics_is_two_groups": "rumqttd knows a group by its name alone",
        "test_publish_tells_whether_anybody_listens": _NOT_TOLD,
    }

    @pytest.fixture(autouse=True)
    async def network(self, rumqttd: Rumqttd) -> AsyncIterator[None]:
        """Put a new proxy before the broker."""
        async with FaultProxy(LOOPBACK, rumqttd.port_of_v5) as self.proxy:
            yield


@pytest.mark.skipif("SPA_TEST_MQTT" not in os.environ, reason="SPA_TEST_MQTT=mqtt://... gives no broker of your own")
class TestYourOwn(TransportSuite):
    """The guarantees at the broker that SPA_TEST_MQTT gives the URL of."""

    url = "mqtt://localhost"

    def make_provider(self) -> SocketProvider[Any]:
        """Make a provider for it."""
        return SocketProviderFactory.from_url(os.environ["SPA_TEST_MQTT"])
