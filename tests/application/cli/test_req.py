"""``spa req``: the reply, or why there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core._groups import collapsing
from spa_core.cli import _req
from spa_core.cli._req import ask
from spa_core.errors import RemoteError, RequestTimeoutError
from spa_core.message import SpaMessage
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from spa_core import SocketProvider, SpaSocket

TOPIC = "services/echo"


async def ask_responder(provider: SocketProvider[Any], request: SpaMessage, *, timeout: float | None) -> SpaMessage:
    """Send a request beside a responder that echoes, fails or is silent, as the payload says."""
    async with provider.overwrite_config(topics=TOPIC).create_socket() as socket:
        with collapsing():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(respond, socket)
                reply = await ask(provider, request, timeout=timeout)
                tasks.cancel_scope.cancel()
    return reply


async def respond(socket: SpaSocket) -> None:
    """Answer every message of the socket."""
    async for message in socket:
        if message.payload == b"fail":
            await socket.reply_error(message, ValueError("no such\nplant"))
        elif message.payload != b"be silent":
            await socket.reply(message, message.payload, content_type=message.content_type, headers=message.headers)


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command send its request beside the responder."""
    monkeypatch.setattr(_req, "ask", ask_responder)


@pytest.mark.anyio
async def test_the_reply_is_returned() -> None:
    """A request returns the reply to it."""
    provider = MemorySocketProvider(MemoryConfig(name="req"))
    reply = await ask_responder(provider, SpaMessage(topic=TOPIC, payload="hello"), timeout=None)

    assert reply.payload == b"hello"


@pytest.mark.anyio
async def test_a_failure_of_the_responder_is_raised() -> None:
    """A request whose responder failed raises its error."""
    provider = MemorySocketProvider(MemoryConfig(name="req"))

    with pytest.raises(RemoteError, match="no such"):
        await ask_responder(provider, SpaMessage(topic=TOPIC, payload="fail"), timeout=None)


@pytest.mark.anyio
async def test_a_silent_responder_is_a_timeout() -> None:
    """A request that nobody answers in time raises."""
    provider = MemorySocketProvider(MemoryConfig(name="req"))

    with pytest.raises(RequestTimeoutError):
        await ask_responder(provider, SpaMessage(topic=TOPIC, payload="be silent"), timeout=0)


@pytest.mark.usefixtures("responder")
def test_the_reply_is_printed(spa: Callable[..., Result]) -> None:
    """The payload of the reply is printed as it is, with an end of line."""
    result = spa("req", "memory://req", TOPIC, "100.6 m³/h")

    assert (result.exit_code, result.stdout_bytes, result.stderr) == (0, "100.6 m³/h\n".encode(), "")


@pytest.mark.usefixtures("responder")
def test_the_whole_reply_can_be_printed(spa: Callable[..., Result]) -> None:
    """With ``--json`` the reply is printed with all its fields; options travel with the request."""
    options = ("--json", "-t", "text/plain", "-H", "a=1", "--timeout", "20s")
    fields = json.loads(spa("req", "memory://req", TOPIC, "x", *options).output)

    assert (fields["payload"], fields["content_type"], fields["headers"]) == ("x", "text/plain", {"a": "1"})


@pytest.mark.usefixtures("responder")
def test_a_request_can_be_empty_or_a_file(spa: Callable[..., Result]) -> None:
    """Without a payload the request is empty; ``--file -`` takes standard input."""
    assert spa("req", "memory://req", TOPIC).output == "\n"
    assert spa("req", "memory://req", TOPIC, "--file", "-", stdin="from stdin").output == "from stdin\n"


@pytest.mark.usefixtures("responder")
@pytest.mark.parametrize(
    ("topic", "payload", "timeout", "part"),
    [
        (TOPIC, "be silent", "0", "services/echo"),
        (TOPIC, "fail", "30s", "ValueError: no such plant"),
        ("services/nobody", "x", "30s", "nobody listens on 'services/nobody'"),
    ],
)
def test_no_reply_is_one_line(spa: Callable[..., Result], topic: str, payload: str, timeout: str, part: str) -> None:
    """A timeout, an error of the responder or nobody who listens ends with 1 and one line on standard error."""
    result = spa("req", "memory://req", topic, payload, "--timeout", timeout)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr


def test_a_wrong_timeout_is_wrong_use(spa: Callable[..., Result]) -> None:
    """A timeout that is no duration ends with 2."""
    result = spa("req", "memory://req", TOPIC, "--timeout", "soon")

    assert result.exit_code == 2
    assert "'soon' is no duration; write for example 5s, 250ms or 2m." in result.stderr
