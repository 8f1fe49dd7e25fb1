"""What the tests of the Kafka transport share: real brokers, one for the session and one for a test that breaks it."""

from __future__ import annotations

import itertools
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from brokers.kafka import KafkaBroker, NoKafkaError
from brokers.missing import do_without

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

_numbers = itertools.count(1)
_RUN = secrets.token_hex(3)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run async tests on asyncio, the one event loop that aiokafka knows."""
    return ("asyncio", {})


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker with a listener for each way of being allowed in; for tests that leave it running."""
    with _running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that no other test uses, to be killed and restarted."""
    with _running(tmp_path) as broker:
        yield broker


@pytest.fixture(scope="class")
def suite_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker that the tests of one class restart, one after the other."""
    with _running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_address(request: pytest.FixtureRequest) -> str:
    """A broker without any security: that of SPA_TEST_KAFKA, else one of our own."""
    given = os.environ.get("SPA_TEST_KAFKA")
    if given:
        return given
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    return broker.plaintext


@pytest.fixture
def topic_name() -> str:
    """The name of a topic that no other test uses and that does not exist."""
    return f"test-{_RUN}-{next(_numbers)}"


@pytest.fixture
def create_topic(kafka_address: str) -> Callable[..., Awaitable[None]]:
    """Creates a topic as its owner would, by name and number of partitions."""

    async def create(name: str, partitions: int = 1, *, address: str = kafka_address, **configs: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        try:
            response = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        finally:
            await admin.close()

        assert [error[1] for error in response.topic_errors] == [0], response

    return create


@contextmanager
def _running(folder: Path) -> Iterator[KafkaBroker]:
    try:
        broker = KafkaBroker(folder)
    except NoKafkaError as reason:
        do_without(reason)
    with broker:
        yield broker
