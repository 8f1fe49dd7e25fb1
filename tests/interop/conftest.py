"""What the tests beside deployed nodes share: a broker, an application's provider on it, and nodes of spa-dat."""

from __future__ import annotations

import itertools
import secrets
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from brokers.kafka import KafkaBroker, NoKafkaError
from brokers.missing import do_without
from brokers.mosquitto import Mosquitto, NoMosquittoError
from old_nodes import Bus, NoSpaDatError, OldNode, python_with

from spa_core import DistributedApplication, PayloadFormat, SocketConfig, SocketProviderFactory
from spa_core.envelopes import SpaDatEnvelope
from spa_kafka import KafkaConfig
from spa_mqtt import MqttConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from spa_core import SocketProvider

_numbers = itertools.count(1)
_RUN = secrets.token_hex(3)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run async tests on asyncio, the one event loop that both broker clients know."""
    return ("asyncio", {})


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """An MQTT broker for all tests here."""
    try:
        broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    except NoMosquittoError as reason:
        do_without(reason)
    with broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A Kafka for all tests here; not that of others, because old nodes delete topics."""
    try:
        broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    except NoKafkaError as reason:
        do_without(reason)
    with broker:
        yield broker


@pytest.fixture(params=["mqtt", "kafka"])
def bus(request: pytest.FixtureRequest) -> Bus:
    """One broker after the other."""
    if request.param == "mqtt":
        broker: Mosquitto = request.getfixturevalue("mosquitto")
        return Bus("mqtt", "127.0.0.1", broker.ports.plain)
    kafka: KafkaBroker = request.getfixturevalue("kafka")
    host, _, port = kafka.plaintext.rpartition(":")
    return Bus("kafka", host, int(port))


@pytest.fixture
def config(bus: Bus) -> MqttConfig | KafkaConfig:
    """What SPA is told of the broker."""
    if bus.kind == "mqtt":
        return MqttConfig(host=bus.host, port=bus.port)
    return KafkaConfig(bootstrap_servers=f"{bus.host}:{bus.port}")


@pytest.fixture(params=["0.3.0", "0.4.0"])
def version(request: pytest.FixtureRequest) -> str:
    """One version of spa-dat after the other; the two are spoken to in different dialects."""
    name: str = request.param
    return name


@pytest.fixture
def provider(config: MqttConfig | KafkaConfig, version: str) -> SocketProvider[Any]:
    """Makes sockets that speak the dialect of the node, configured as the origin's programs are."""
    origins = SocketConfig(payload_format=PayloadFormat.JSON, socket_config=config)
    provider = SocketProviderFactory.from_config(origins)
    return provider.with_envelope(SpaDatEnvelope("0.3")) if version == "0.3.0" else provider


@pytest.fixture
def app(provider: SocketProvider[Any]) -> DistributedApplication:
    """An application that talks to the node."""
    return DistributedApplication(provider)


@pytest.fixture
async def new_topic(bus: Bus) -> Callable[[], Awaitable[str]]:
    """Makes a topic that no other test uses; its name is in the words of the broker."""

    async def make() -> str:
        name = bus.name(f"plants/north/flow-{_RUN}-{next(_numbers)}")
        await bus.create_topics(name)
        return name

    return make


@pytest.fixture
async def topic(new_topic: Callable[[], Awaitable[str]]) -> str:
    """A topic that no other test uses."""
    return await new_topic()


@pytest.fixture(scope="session")
def python_of() -> Callable[[str], Path]:
    """Returns the Python that has a version of spa-dat; what cannot be installed is not tried again for each test."""

    @cache
    def look(version: str) -> Path | NoSpaDatError:
        try:
            return python_with(version)
        except NoSpaDatError as reason:
            return reason

    def find(version: str) -> Path:
        found = look(version)
        return found if isinstance(found, Path) else do_without(found)

    return find


@pytest.fixture
def old_python(version: str, python_of: Callable[[str], Path]) -> Path:
    """The Python that has this version of spa-dat."""
    return python_of(version)


@pytest.fixture
async def start_node(
    bus: Bus, version: str, python_of: Callable[[str], Path], tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[OldNode]]]:
    """Starts a node in a role and returns when it is ready; it is gone after the test."""
    async with AsyncExitStack() as nodes:

        async def start(
            role: str, *, of: str = version, config: Mapping[str, Any] = MappingProxyType({}), **task: Any
        ) -> OldNode:
            task = {"role": role, **bus.in_spa_dat(**config), **task}
            node = OldNode(python_of(of), task, log=tmp_path / f"{role}-{next(_numbers)}.log")
            await nodes.enter_async_context(node)
            if "topics" in task:
                await node.said("ready")
            return node

        yield start


@pytest.fixture
def running() -> Callable[[DistributedApplication, Callable[[], Awaitable[None]]], Awaitable[None]]:
    """Runs an application, and something as soon as it listens; stops it then."""

    async def run(app: DistributedApplication, act: Callable[[], Awaitable[None]]) -> None:
        @app.producer()
        async def script(**_: Any) -> None:
            await act()
            app.stop()

        with anyio.fail_after(60):
            await app.start_async()

    return run
