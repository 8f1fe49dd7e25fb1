"""Once installed, the transport is found by its scheme: by applications, and on the command line."""

from __future__ import annotations

import subprocess
import sys

from spa_core import DistributedApplication, SpaMessage, SpaSocket

SPA = (sys.executable, "-m", "spa_core.cli")


def run_spa(*arguments: str) -> str:
    """Run the command ``spa``, and return what it prints."""
    return subprocess.run([*SPA, *arguments], check=True, capture_output=True, text=True, timeout=30).stdout  # noqa: S603


def test_the_command_line_lists_the_transport() -> None:
    """``spa plugins`` names the scheme, the distribution and its module."""
    rows = [line.split() for line in run_spa("plugins", "--load").splitlines()]

    assert [row[:3] for row in rows if "acme" in row] == [["transport", "acme", "acme-transport"]]


def test_the_command_line_publishes_and_subscribes(broker_port: int) -> None:
    """What ``spa pub`` publishes, a subscriber in another process gets."""
    url = f"acme://127.0.0.1:{broker_port}"
    command = [*SPA, "sub", url, "greetings", "--count", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber:  # noqa: S603
        try:
            for _ in range(100):  # before it listens, a message is for nobody
                run_spa("pub", url, "greetings", "hello")
                if subscriber.poll() is not None:
                    break
        finally:
            subscriber.kill()
        printed = subscriber.stdout.read() if subscriber.stdout else ""

    assert printed == "greetings hello\n"


def test_an_application_runs(broker_port: int) -> None:
    """An application asks another one over the broker, and gets its answer."""
    app = DistributedApplication(f"acme://127.0.0.1:{broker_port}")
    answers: list[bytes] = []

    @app.application("plants/{plant}/ask", group="answering")
    async def answer(message: SpaMessage, plant: str) -> str:
        return f"{plant}: {message.payload.decode()}"

    @app.producer()
    async def ask(socket: SpaSocket) -> None:
        answers.append((await socket.request("plants/north/ask", b"how much?")).payload)
        app.stop()

    app.start()

    assert answers == [b"north: how much?"]
