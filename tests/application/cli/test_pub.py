"""``spa pub``: what it publishes, and how it ends."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from spa_core.cli import _pub
from spa_core.cli._parameters import make_message
from spa_core.cli._pub import messages_of, publish, repeated
from spa_core.message import SpaMessage
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from click.testing import Result

    from spa_core import SocketProvider

TOPIC = "plants/north"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[SpaMessage]:
    """Collect what the command publishes, instead of sending it."""
    messages: list[SpaMessage] = []

    async def collect(provider: SocketProvider[Any], batches: AsyncIterator[list[SpaMessage]]) -> None:
        assert provider.config.default_subscription_topics == ()
        messages.extend([message async for batch in batches for message in batch])

    monkeypatch.setattr(_pub, "publish", collect)
    return messages


@pytest.mark.anyio
async def test_messages_arrive() -> None:
    """All batches arrive, in order."""
    provider = MemorySocketProvider(MemoryConfig(name="pub"))
    make = partial(make_message, TOPIC, headers=(), key=None, content_type=None)

    async def payloads() -> AsyncIterator[list[bytes]]:
        yield [b"1", b"2"]
        yield [b"3"]

    async with provider.overwrite_config(topics=TOPIC).create_socket() as socket:
        await publish(provider, messages_of(payloads(), make))
        messages = aiter(socket)
        arrived = [(await anext(messages)).payload for _ in range(3)]

    assert arrived == [b"1", b"2", b"3"]


@pytest.mark.anyio
async def test_many_messages_are_made_in_batches() -> None:
    """A large count is published in bounded batches, each message made anew."""
    batches = [batch async for batch in repeated(lambda: SpaMessage(topic=TOPIC), 2500)]

    assert [len(batch) for batch in batches] == [1000, 1000, 500]
    assert len({message.message_id for batch in batches for message in batch}) == 2500


def test_everything_travels(spa: Callable[..., Result], published: list[SpaMessage]) -> None:
    """Payload, headers, key, content type and retain go into the message."""
    options = ["-H", "a=1", "--header", "b=x=y", "--key", "north", "--content-type", "text/plain", "--retain"]
    result = spa("pub", "memory://pub?topics=a", TOPIC, "100.6", *options)
    (message,) = published

    assert (result.exit_code, result.output) == (0, "")
    assert (message.topic, message.payload) == (TOPIC, b"100.6")
    assert message.headers == {"a": "1", "b": "x=y"}
    assert (message.key, message.content_type, message.retain) == (b"north", "text/plain", True)


def test_nothing_travels_unasked(spa: Callable[..., Result], published: list[SpaMessage]) -> None:
    """Without options a message has neither headers nor key nor content type, and is not retained."""
    spa("pub", "memory://pub", TOPIC, "")
    (message,) = published

    assert (message.payload, message.headers, message.key, message.content_type) == (b"", {}, None, None)
    assert not message.retain


def test_a_payload_can_be_repeated(spa: Callable[..., Result], published: list[SpaMessage]) -> None:
    """``--count`` publishes the payload so many times."""
    spa("pub", "memory://pub", TOPIC, "x", "--count", "3")

    assert [message.payload for message in published] == [b"x"] * 3


def test_a_payload_can_be_a_file(spa: Callable[..., Result], published: list[SpaMessage], tmp_path: Path) -> None:
    """``--file`` publishes the file's bytes as one message."""
    file = tmp_path / "payload"
    file.write_bytes(b"\xff\n\x00")
    spa("pub", "memory://pub", TOPIC, "--file", str(file))

    assert [message.payload for message in published] == [b"\xff\n\x00"]


def test_a_payload_can_be_the_whole_input(spa: Callable[..., Result], published: list[SpaMessage]) -> None:
    """``--file -`` publishes standard input as one message."""
    spa("pub", "memory://pub", TOPIC, "--file", "-", stdin=b"one\ntwo\n")

    assert [message.payload for message in published] == [b"one\ntwo\n"]


def test_lines_of_the_input_are_messages(
    spa: Callable[..., Result], published: list[SpaMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``-`` every line of standard input is a message with the same options."""

    async def two(descriptor: int) -> AsyncIterator[list[bytes]]:
        assert descriptor == 0
        yield [b"one", b"two"]

    monkeypatch.setattr(_pub, "lines", two)
    spa("pub", "memory://pub", TOPIC, "-", "--key", "k")

    assert [(message.payload, message.key) for message in published] == [(b"one", b"k"), (b"two", b"k")]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "Give a payload or --file, one of the two."),
        (["x", "--file", "-"], "Give a payload or --file, one of the two."),
        (["-", "--count", "2"], "--count is for one payload, not for the lines of standard input."),
        (["x", "--count", "0"], "Invalid value for '-n' / '--count': 0 is not in the range x>=1."),
        (["x", "-H", "a"], "Invalid value for '-H' / '--header': 'a' is no header; write name=value."),
    ],
)
def test_wrong_use_is_told(spa: Callable[..., Result], arguments: list[str], line: str) -> None:
    """Arguments that make no sense end with 2 and one sentence, and nothing is opened."""
    result = spa("pub", "memory://pub", TOPIC, *arguments)

    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: {line}\n")


@pytest.mark.parametrize(
    ("url", "topic", "code", "part"),
    [
        ("memry://pub", TOPIC, 2, "Did you mean 'memory'?"),
        ("memory://pub", "plants/#", 2, "plants/#"),
        ("memory://pub?max_payload=1", TOPIC, 1, "payload"),
    ],
)
def test_a_failure_is_one_line(spa: Callable[..., Result], url: str, topic: str, code: int, part: str) -> None:
    """A wrong URL or topic, or a message that is refused, is one line on standard error."""
    result = spa("pub", url, topic, "xyz")

    assert result.exit_code == code
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr


def test_the_real_input_is_read(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    """In a process of its own, ``spa pub ... -`` reads standard input to its end and ends with 0."""
    process = spawn("-m", "spa_core.cli", "pub", "memory://pub", TOPIC, "-")
    output, errors = process.communicate("one\ntwo\n", timeout=30)

    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_waiting_for_input_can_be_interrupted(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    """Ctrl-C while there is nothing on standard input ends the process at once, with 130 and without a word."""
    process = spawn(
        "-c",
        "import anyio, signal; from spa_core.cli import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests may ignore it\n"
        "wait_readable = anyio.wait_readable\n"
        "def told(descriptor):\n"
        "    print('waiting', flush=True)\n"
        "    return wait_readable(descriptor)\n"
        "anyio.wait_readable = told\n"
        "cli(['pub', 'memory://pub', 'a', '-'])",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=30) == 130
    assert process.stderr is not None
    assert process.stderr.read() == ""
