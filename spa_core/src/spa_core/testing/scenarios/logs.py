"""What a program writes into its log: nothing that alarms while all is well, and never a secret."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import ConsumerApplication, FailurePolicy, Secret
from spa_core.testing.parties import running
from spa_core.testing.scenario import scenario

if TYPE_CHECKING:
    from collections.abc import Generator

    from spa_core import SpaMessage, TransportConfig
    from spa_core.testing.kit import Kit

__all__ = ["Logs"]


class Logs:
    """Scenarios about logs."""

    @scenario(alone=True)
    async def test_a_normal_run_is_quiet(self, kit: Kit) -> None:
        """Nothing above INFO is logged by a run in which one handler fails once and succeeds when tried again."""
        with _logged(logging.DEBUG) as records:
            await _run_with_a_retry(kit)
        loud = [f"{record.name}: {record.getMessage()}" for record in records if record.levelno > logging.INFO]
        assert loud == []
        assert records, "the run is told about in the log"

    @scenario(alone=True)
    async def test_a_failure_for_good_is_logged_once(self, kit: Kit) -> None:
        """A message that fails for good is one line at ERROR, which names the topic and the error."""
        topic = kit.topic()
        failed = anyio.Event()

        async def fail(message: SpaMessage) -> None:  # noqa: ARG001 - it is not looked at
            failed.set()
            raise LookupError("no such valve")

        policy = FailurePolicy(attempts=2, backoff=0.0, then="drop")
        application = ConsumerApplication(fail, kit.provider, topics=topic, group=kit.own_group(), policy=policy)
        with _logged(logging.INFO) as records:
            async with running(kit, application), kit.spa_socket() as socket:
                await socket.publish(topic, b"body")
                await failed.wait()
        [line] = [record.getMessage() for record in records if record.levelno > logging.INFO]
        assert topic in line
        assert "LookupError: no such valve" in line

    @scenario(alone=True)
    async def test_secrets_are_never_shown(self, kit: Kit) -> None:
        """No log record, repr, description or error of a whole run shows a secret of the configuration."""
        secrets = _secrets(kit.provider.config)
        if not secrets:
            pytest.skip("the provider under test is configured without a secret")
        with _logged(logging.DEBUG) as records:
            await _run_with_a_retry(kit)
        shown = [f"{record.getMessage()} {record.exc_text} {record.args}" for record in records]
        shown += [kit.provider.describe(), repr(kit.provider), str(kit.provider.config), repr(kit.provider.config)]
        shown += [repr(event) for event in kit.events]
        async with kit.socket() as transport, kit.spa_socket() as socket:
            shown += [repr(transport), str(transport), repr(socket), repr(vars(socket))]
        for secret in secrets:
            assert [text for text in shown if secret in text] == []


async def _run_with_a_retry(kit: Kit) -> None:
    """Run an application that handles three messages, one of them at the second attempt, and a request."""
    topic = kit.topic()
    attempts: list[bytes] = []

    async def handle(message: SpaMessage) -> bytes:
        attempts.append(message.payload)
        if attempts.count(b"1") == 1 and message.payload == b"1":
            raise LookupError("only the first time")
        return message.payload

    policy = FailurePolicy(attempts=2, backoff=0.0)
    application = ConsumerApplication(handle, kit.provider, topics=topic, group=kit.own_group(), policy=policy)
    async with running(kit, application), kit.spa_socket() as socket:
        for payload in (b"0", b"1", b"2"):
            await socket.publish(topic, payload)
        if kit.capabilities.reply:
            await socket.request(topic, b"3", timeout=kit.patience)
        await kit.until(lambda: len(attempts) >= 4 and attempts.count(b"1") == 2, "all messages are handled")


class _Collector(logging.Handler):
    """Keeps every record."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _logged(level: int) -> Generator[list[logging.LogRecord]]:
    """Collect what anybody logs at *level* and above."""
    handler = _Collector(level)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield handler.records
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


def _secrets(config: TransportConfig) -> list[str]:
    values = [getattr(config, name) for name in config.__struct_fields__]
    return [value.reveal() for value in values if isinstance(value, Secret) and value]
