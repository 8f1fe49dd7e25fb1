"""What the tests of the MQTT transport share: real brokers, one for the session and some for tests that break them."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from brokers.missing import do_without
from brokers.mosquitto import Mosquitto, NoMosquittoError
from brokers.rumqttd import Rumqttd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count(1)
_RUN = secrets.token_hex(3)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run async tests on asyncio, the one event loop that aiomqtt knows."""
    return ("asyncio", {})


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    """A Mosquitto with a listener for each way in; for tests that leave it running."""
    with _running() as broker:
        yield broker


@pytest.fixture
def mortal_mosquitto() -> Iterator[Mosquitto]:
    """A Mosquitto that no other test uses, to be killed, restarted or paused."""
    with _running() as broker:
        yield broker


@pytest.fixture(scope="class")
def suite_mosquitto() -> Iterator[Mosquitto]:
    """A Mosquitto that the tests of one class restart, one after the other."""
    with _running() as broker:
        yield broker


@pytest.fixture
def make_mosquitto() -> Iterator[Callable[..., Mosquitto]]:
    """Starts Mosquittos that no other test uses, with further lines of settings."""
    with ExitStack() as stack:
        yield lambda more="": stack.enter_context(_running(more=more))


@pytest.fixture
def rumqttd() -> Iterator[Rumqttd]:
    """A rumqttd, strict about the order of acknowledgements; a new one for each test, as not all do it good."""
    with _folder() as folder, Rumqttd(folder) as broker:
        yield broker


@pytest.fixture(scope="session")
def mqtt_url(request: pytest.FixtureRequest) -> str:
    """The URL of a broker that lets everybody in: that of SPA_TEST_MQTT, else one of our own."""
    given = os.environ.get("SPA_TEST_MQTT")
    if given:
        return given
    broker: Mosquitto = request.getfixturevalue("mosquitto")
    return broker.url()


@pytest.fixture
def topic() -> str:
    """A topic that no other test uses."""
    return f"test-{_RUN}/{next(_numbers)}"


@contextmanager
def _running(more: str = "") -> Iterator[Mosquitto]:
    with _folder() as folder:
        try:
            broker = Mosquitto(folder, more=more)
        except NoMosquittoError as reason:
            do_without(reason)
        with broker:
            yield broker


@contextmanager
def _folder() -> Iterator[Path]:
    # pytest's own are too long for the path of a unix socket.
    folder = Path(tempfile.mkdtemp(prefix="spa-mqtt-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
