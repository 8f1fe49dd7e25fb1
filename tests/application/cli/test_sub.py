"""``spa sub``: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core.cli import _sub
from spa_core.cli._endings import OutputClosed
from spa_core.cli._output import Output, as_line
from spa_core.cli._sub import Printing, subscribe
from spa_inmemory import MemoryConfig, MemorySocketProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from subprocess import Popen

    from click.testing import Result

    from spa_core import SocketProvider, SpaSocket
    from spa_core.transport import ConnectionListener

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="event loops on Windows take no signal handlers")

# ``spa sub`` beside a publisher in the same process, as the in-memory bus asks for.
SCRIPT = """
import anyio
from spa_core._groups import collapsing
from spa_core.cli import _sub, cli

subscribe = _sub.subscribe

async def publish(socket):
    for number in range({count}):
        await socket.publish("plants/north", str(number))

async def beside_a_publisher(provider, printing):
    async with provider.overwrite_config(topics=()).create_socket() as socket:
        await socket.publish("plants/north", "first", retain=True)
        with collapsing():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(publish, socket)
                code = await subscribe(provider, printing)
                tasks.cancel_scope.cancel()
        return code

_sub.subscribe = beside_a_publisher
cli(["sub", "memory://", "plants/#"])
"""


@pytest.fixture
def provider() -> MemorySocketProvider:
    """Make a provider whose sockets read topics in a group."""
    return MemorySocketProvider(MemoryConfig(name="sub", default_subscription_topics="plants/#", group="printers"))


@asynccontextmanager
async def bus(provider: SocketProvider[Any]) -> AsyncGenerator[SpaSocket]:
    """Open a socket that publishes, on a bus that knows the group already, so that nothing published is lost."""
    async with provider.overwrite_config(topics=(), group=None).create_socket() as socket:
        async with provider.create_socket():
            pass
        yield socket


async def rest_of(provider: SocketProvider[Any], count: int) -> list[bytes]:
    """Return the next messages that the group gets."""
    async with provider.create_socket() as socket:
        messages = aiter(socket)
        return [(await anext(messages)).payload for _ in range(count)]


class Lines(io.BytesIO):
    """What was printed, and an event to wait for the first line."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = anyio.Event()

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - as io.BytesIO
        """Write, from a worker thread."""
        written = super().write(data)
        anyio.from_thread.run_sync(self.begun.set)
        return written


class Stuck(Lines):
    """Output whose reader does not read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - as io.BytesIO
        """Wait for the reader."""
        written = super().write(data)
        self.read.wait()
        return written


@pytest.mark.anyio
async def test_it_ends_after_enough_messages(provider: MemorySocketProvider) -> None:
    """With a limit exactly so many messages are printed and settled; the group keeps the others."""
    printed = io.BytesIO()
    async with bus(provider) as socket:
        for number in range(3):
            await socket.publish("plants/north", str(number))
        code = await subscribe(provider, Printing(as_line, Output(printed), limit=2))
        rest = await rest_of(provider, 1)

    assert code == 0
    assert printed.getvalue() == b"plants/north 0\nplants/north 1\n"
    assert rest == [b"2"]


@pytest.mark.anyio
async def test_what_nobody_reads_is_given_back(provider: MemorySocketProvider) -> None:
    """When the reader of the output is gone it ends, and the group keeps what was not written."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        async with bus(provider) as socket:
            await socket.publish("plants/north", "0")
            with pytest.raises(OutputClosed):
                await subscribe(provider, Printing(as_line, Output(closed)))
            rest = await rest_of(provider, 1)

    assert rest == [b"0"]


@on_posix
@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_good_order(provider: MemorySocketProvider, number: signal.Signals) -> None:
    """After a signal it has printed and settled what it fetched, and ends with 0."""
    printed = Lines()
    codes: list[int] = []

    async def run() -> None:
        codes.append(await subscribe(provider, Printing(as_line, Output(printed))))

    async with bus(provider) as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await socket.publish("plants/north", "0")
            await printed.begun.wait()
            os.kill(os.getpid(), number)
        await socket.publish("plants/north", "1")
        rest = await rest_of(provider, 1)

    assert (codes, printed.getvalue(), rest) == ([0], b"plants/north 0\n", [b"1"])


@on_posix
@pytest.mark.anyio
async def test_a_second_signal_does_not_wait(provider: MemorySocketProvider) -> None:
    """While the output is stuck, the first signal waits and a second one ends with 130; the message is given back."""
    stuck = Stuck()
    codes: list[int] = []

    async def run() -> None:
        codes.append(await subscribe(provider, Printing(as_line, Output(stuck))))

    async with bus(provider) as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await socket.publish("plants/north", "0")
            await stuck.begun.wait()
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        rest = await rest_of(provider, 1)
    stuck.read.set()

    assert (codes, rest) == ([130], [b"0"])


@on_posix
@pytest.mark.anyio
async def test_a_signal_ends_the_opening(provider: MemorySocketProvider) -> None:
    """A signal that comes before there is a connection ends with 0."""
    opening = anyio.Event()
    codes: list[int] = []

    class Unreachable(MemorySocketProvider):
        """A provider whose broker does not answer."""

        def open(self, on_connection: ConnectionListener) -> Any:  # noqa: ANN401, ARG002
            """Open forever."""
            return forever()

    @asynccontextmanager
    async def forever() -> AsyncGenerator[None]:
        opening.set()
        await anyio.sleep_forever()
        yield

    async def run() -> None:
        codes.append(await subscribe(Unreachable(provider.config), Printing(as_line, Output(io.BytesIO()))))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await opening.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    assert codes == [0]


@pytest.mark.anyio
async def test_it_works_where_loops_take_no_signals(
    provider: MemorySocketProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the event loop cannot watch signals, messages are printed all the same."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(anyio, "open_signal_receiver", refuse)
    printed = io.BytesIO()
    async with bus(provider) as socket:
        await socket.publish("plants/north", "0")
        code = await subscribe(provider, Printing(as_line, Output(printed), limit=1))

    assert (code, printed.getvalue()) == (0, b"plants/north 0\n")


@pytest.fixture
def retained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the command subscribe where a message is retained; return the configurations it uses."""
    configs: list[Any] = []

    async def beside(provider: SocketProvider[Any], printing: Printing) -> int:
        configs.append(provider.config)
        async with provider.overwrite_config(topics=(), group=None).create_socket() as socket:
            await socket.publish("plants/north", "100.6", retain=True, key=b"\xff", content_type="text/plain")
            return await subscribe(provider.overwrite_config(group=None), printing)

    monkeypatch.setattr(_sub, "subscribe", beside)
    return configs


def test_lines_are_printed(spa: Callable[..., Result], retained: list[Any]) -> None:
    """By default a line is topic and payload; all topics are one subscription."""
    result = spa("sub", "memory://sub", "plants/#", "plants/+", "--count", "1")

    assert (result.exit_code, result.output) == (0, "plants/north 100.6\n")
    assert (retained[0].default_subscription_topics, retained[0].group) == (("plants/#", "plants/+"), None)


def test_json_is_printed(spa: Callable[..., Result], retained: list[Any]) -> None:
    """With ``--json`` a line is the whole message."""
    fields = json.loads(spa("sub", "memory://sub", "plants/#", "--count", "1", "--json").output)

    assert retained
    assert (fields["payload"], fields["key_base64"], fields["content_type"]) == ("100.6", "/w==", "text/plain")


def test_a_group_can_be_named(spa: Callable[..., Result], retained: list[Any]) -> None:
    """``--group`` names the group, else it is the URL's."""
    spa("sub", "memory://sub", "plants/#", "--count", "1", "--group", "mine")
    spa("sub", "memory://sub?group=theirs", "plants/#", "--count", "1")

    assert [config.group for config in retained] == ["mine", "theirs"]


def test_a_wrong_topic_is_one_line(spa: Callable[..., Result]) -> None:
    """A filter that is not valid ends with 2 and one line."""
    result = spa("sub", "memory://sub", "plants/#/flow")

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@on_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_in_good_order(
    spawn: Callable[..., Popen[str]], number: signal.Signals, ended: Callable[[Popen[str]], tuple[int, str, str]]
) -> None:
    """Each line can be read as soon as it was printed, and a signal ends the process with 0 and no further word."""
    process = spawn("-c", SCRIPT.format(count=0))
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(number)
    code, output, errors = ended(process)

    assert line == "plants/north first\n"
    assert (code, output, errors) == (0, "", "")


@on_posix
def test_a_process_ends_with_its_reader(spawn: Callable[..., Popen[str]]) -> None:
    """When the reader of its output has seen enough, the process ends with 0 and no further word."""
    process = spawn("-c", SCRIPT.format(count=10**9))
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()

    assert line == "plants/north first\n"
    assert (process.wait(timeout=30), errors) == (0, "")
