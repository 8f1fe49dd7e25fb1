"""The seam over the driver: what its logs must not show, and what its errors mean."""

from __future__ import annotations

import logging
import ssl

import pytest
from aiokafka import errors as driver_errors
from aiokafka.protocol.admin import SaslAuthenticateRequest

from spa_core.errors import AuthenticationError, ConnectError, DisconnectedError, TransportError
from spa_kafka.client import BatchTooLargeError, DeniedError, PartitionsLostError, ProducerLostError
from spa_kafka.client._errors import connect_error, translated
from spa_kafka.client._logs import Seldom
from spa_kafka.retries import waiting_place


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (driver_errors.SaslAuthenticationFailed("no"), AuthenticationError),
        (driver_errors.UnsupportedSaslMechanismError("PLAIN"), AuthenticationError),
        (ssl.SSLError("handshake"), ConnectError),
        (driver_errors.TopicAuthorizationFailedError("orders"), DeniedError),
        (driver_errors.GroupAuthorizationFailedError("g"), DeniedError),
        (driver_errors.UnsupportedCodecError("zstd"), DeniedError),
        (driver_errors.MessageSizeTooLargeError(), BatchTooLargeError),
        (driver_errors.OutOfOrderSequenceNumber(), ProducerLostError),
        (driver_errors.CommitFailedError(), PartitionsLostError),
        (driver_errors.IllegalGenerationError(), PartitionsLostError),
        (driver_errors.RequestTimedOutError(), DisconnectedError),
        (OSError("reset"), DisconnectedError),
        (TimeoutError(), DisconnectedError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_every_error_is_told_in_our_words(error: Exception, expected: type[TransportError]) -> None:
    """Each error of the driver becomes the one that says what it means, and what was being done."""
    told = translated(error, "publishing to orders")

    assert type(told) is expected
    assert "publishing to orders" in str(told)
    assert str(told).count(type(error).__name__) <= 1


def test_what_fails_at_the_start_is_a_connect_error() -> None:
    """Whatever keeps a socket from opening is a ``ConnectError``, an authentication that failed a special one."""
    refused = driver_errors.KafkaConnectionError("b1:9092")
    refused.__cause__ = driver_errors.AuthenticationFailedError("wrong password")
    lost = driver_errors.KafkaConnectionError("b1:9092")
    lost.__cause__ = ConnectionRefusedError("nobody there")

    assert type(connect_error(refused)) is AuthenticationError
    assert (type(connect_error(lost)), "nobody there" in str(connect_error(lost))) == (ConnectError, True)


@pytest.mark.parametrize(
    ("cause", "told", "hint"),
    [
        (driver_errors.SaslAuthenticationFailed("no such user"), "SaslAuthenticationFailed: no such user", "password"),
        (driver_errors.IllegalSaslStateError(object()), "takes no login", "Leave out the user name"),
        (driver_errors.KafkaConnectionError("Connection at b1:9092 closed"), "b1:9092 closed", "kafka+ssl"),
        (ConnectionResetError(), "b1:9092: ConnectionResetError", "kafka+ssl"),
        (ssl.SSLError("handshake"), "handshake", "kafka+ssl"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_keeps_a_socket_from_opening_is_told_with_the_way_out(cause: Exception, told: str, hint: str) -> None:
    """The sentence names the broker and the reason, without objects of the driver, and says what to look at."""
    lost = driver_errors.KafkaConnectionError("b1:9092")
    lost.__cause__ = cause
    error = connect_error(lost)

    assert "connecting to b1:9092: " in error.message
    assert told in error.message
    assert hint in str(error.hint)
    assert "<" not in error.message


def test_passwords_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The driver's debug line about what it sends to authenticate is dropped; its other lines are not."""
    log = logging.getLogger("aiokafka.conn")
    with caplog.at_level(logging.DEBUG):
        log.debug(
            "Request to %s:%d %d: %s", "b1", 9092, 1, SaslAuthenticateRequest(b"\0ann\0hunter2").prepare({36: (0, 1)})
        )
        log.debug("Request to %s:%d %d: %s", "b1", 9092, 2, "MetadataRequest")

    assert "hunter2" not in caplog.text
    assert "MetadataRequest" in caplog.text


@pytest.mark.usefixtures("quiet_until_now")
@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, ["INFO"]), (logging.WARNING, [])])
def test_everyday_rebalances_alarm_nobody(caplog: pytest.LogCaptureFixture, level: int, shown: list[str]) -> None:
    """That a group rebalances is a matter of information; what else the driver warns of stays a warning."""
    log = logging.getLogger("aiokafka.consumer.group_coordinator")
    with caplog.at_level(level):
        log.warning("Heartbeat failed for group %s because it is rebalancing", "g")
        before = [record.levelname for record in caplog.records]
        log.warning("Heartbeat session expired")

    assert before == shown
    assert caplog.records[-1].levelname == "WARNING"


@pytest.mark.usefixtures("quiet_until_now")
def test_who_was_answered_may_go(caplog: pytest.LogCaptureFixture) -> None:
    """That the topic for one socket's replies is gone is no error; that another topic is gone stays one."""
    for topic in ("spa.reply.6f1c", "orders"):
        logging.getLogger("aiokafka.cluster").error("Topic %s not found in cluster metadata", topic)

    assert [record.getMessage() for record in caplog.records] == ["Topic orders not found in cluster metadata"]


@pytest.mark.usefixtures("quiet_until_now")
@pytest.mark.parametrize(
    "name", ["aiokafka", "aiokafka.cluster", "aiokafka.consumer.fetcher", "aiokafka.producer.sender"]
)
def test_the_driver_complains_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An outage of an hour is sixty lines of each kind, not a million; whoever debugs still sees all of them."""
    log = logging.getLogger(name)
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with caplog.at_level(logging.DEBUG):
        for second in range(120):
            now = 1000.0 + second
            log.error("Unable connect to node with id %s: %s", second, "refused")
        log.warning("Something else")
        log.info("Connected")
    loud = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    assert loud == [
        "Unable connect to node with id 0: refused",
        "Unable connect to node with id 60: refused",
        "Something else",
    ]
    assert len(caplog.records) == 122


@pytest.fixture
def quiet_until_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver as if it had complained of nothing yet, whatever earlier tests did to it."""
    for log in [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("aiokafka")]:
        for each in log.filters:
            if isinstance(each, Seldom):
                monkeypatch.setattr(each, "_passed", {})


def test_a_place_to_wait_is_named_by_the_group() -> None:
    """Whoever looks at the broker's topics sees whose messages wait there, and how long at most."""
    assert waiting_place("plants.flow", "detector", 42) == "plants.flow.detector.retry.1m"
