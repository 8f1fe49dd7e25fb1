"""Programs written as users of the origin wrote them run with nothing changed but imports and configuration."""

from __future__ import annotations

import ast
import importlib.util
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.anyio

PROGRAMS = Path(__file__).parents[2] / "examples" / "origin"

SENT = ["sensor-7 sent 100.6", "sensor-7 sent 101.2", "sensor-7 sent 99.8", "sensor-7 sent 12.4", "sensor-7 sent 100.1"]
RECEIVED = [
    "north gauge measured 100.6 at 1690000000.0",
    "north gauge measured 101.2 at 1690000000.0",
    "north gauge measured 99.8 at 1690000000.0",
    "north gauge measured 12.4 at 1690000000.0",
    "north gauge measured 100.1 at 1690000000.0",
]
ANSWERED = [f"Received response: answer to question {number}" for number in range(3)]
MEANS = ["Mean so far: 100.00", "Mean so far: 75.00", "Mean so far: 58.33"]

LAST_LINES = {
    "consumer": "INFO:spa_core.runner:running: consumer",
    "request_reply": f"INFO:request_reply:{ANSWERED[-1]}",
    "state": f"INFO:state:{MEANS[-1]}",
}
"""What a program that runs until it is stopped says last."""


def load(name: str) -> ModuleType:
    """Import a program without starting it."""
    spec = importlib.util.spec_from_file_location(f"origin_{name}", PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said_by(name: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what a program has logged so far."""
    return [record.getMessage() for record in caplog.records if record.name == name]


async def stop_after(program: ModuleType, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    """Stop a program once it has logged so many lines."""
    while len(said_by(program.logger.name, caplog)) < lines:
        await checkpoint()
    program.app.stop()


async def test_consumer_and_producer(caplog: pytest.LogCaptureFixture) -> None:
    """The consumer gets every message that the producer builds, with its sender and timestamp."""
    caplog.set_level("INFO")
    consumer, producer = load("consumer"), load("producer")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consumer.app.start_async)
            while consumer.app.health().state != "running":
                await checkpoint()
            await producer.app.start_async()
            await stop_after(consumer, 5, caplog)

    assert said_by("producer", caplog) == SENT
    assert said_by("consumer", caplog) == RECEIVED
    assert producer.app.ending == "finished"
    assert consumer.app.ending == "drained"


@pytest.mark.parametrize(("name", "expected"), [("request_reply", ANSWERED), ("state", MEANS)])
async def test_request_reply_and_state(name: str, expected: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Requests are answered through ``message.response_topic``, and state lasts from message to message."""
    caplog.set_level("INFO")
    program = load(name)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_after, program, 3, caplog)
            await program.app.start_async()

    assert said_by(name, caplog) == expected
    assert program.app.ending == "drained"


def test_producer_process() -> None:
    """Started as a program, the producer publishes and ends by itself."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / "producer.py"], stderr=subprocess.PIPE, text=True, timeout=30, check=True
    )

    assert [line for line in done.stderr.splitlines() if "sent" in line] == [f"INFO:producer:{line}" for line in SENT]


@pytest.mark.skipif(sys.platform == "win32", reason="there a program is not asked to end by a signal")
@pytest.mark.parametrize("name", LAST_LINES)
def test_process_until_stopped(name: str) -> None:
    """Started as a program, a consumer does its work, is stopped by SIGTERM, drains and reports success."""
    lines: list[str] = []
    with subprocess.Popen([sys.executable, PROGRAMS / f"{name}.py"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip())
            if lines[-1] == LAST_LINES[name]:
                process.send_signal(signal.SIGTERM)

    assert process.returncode == 0
    assert lines[-2:] == [LAST_LINES[name], "INFO:spa_core.runner:SIGTERM: draining, a second signal cancels"]


@pytest.mark.parametrize("name", ["consumer", "producer", "request_reply", "state"])
def test_only_imports_and_configuration_are_new(name: str) -> None:
    """Everything a program takes from SPA is a name of the origin's; only the configuration's type is another."""
    imported = {
        alias.name
        for node in ast.walk(ast.parse((PROGRAMS / f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spa_")
        for alias in node.names
    }

    assert imported - {"MemoryConfig"} <= {
        "DistributedApplication",
        "MessageBuilder",
        "PayloadFormat",
        "SocketConfig",
        "SocketProviderFactory",
        "SpaMessage",
        "SpaSocket",
    }
