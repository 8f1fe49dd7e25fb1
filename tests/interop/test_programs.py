"""Programs of spa-dat's users run on SPA with nothing changed but their imports, and do what they did before."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

if TYPE_CHECKING:
    from old_nodes import Bus

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-spa-dat.md"
PROGRAMS = Path(__file__).with_name("programs")

DOES = {
    "0.3.0": [
        "text/plain: gauge: 100.6 l/min",
        "text/plain: gauge: 99.8 l/min",
        "text/plain: gauge: 101.2 l/min",
        "ends at 1690000000: that was all",
        "bye",
    ],
    "0.4.0": [
        "oracle (oracle-1): gauge: 100.6 l/min",
        "oracle (oracle-1): gauge: 99.8 l/min",
        "oracle (oracle-1): gauge: 101.2 l/min",
        "ends at 1690000000: that was all",
        "bye",
    ],
}


def migrated(program: str) -> str:
    """Return a program with its imports changed as the guide's table says."""
    modules = dict(
        re.findall(r"^\| `from (\S+) import .*?` \| `from (\S+) import", GUIDE.read_text("utf-8"), re.MULTILINE)
    )
    return re.sub(r"(?<=^from )spa_dat\S+", lambda module: modules[module[0]], program, flags=re.MULTILINE)


@pytest.fixture
async def program(bus: Bus, version: str) -> str:
    """Return the text of a program that reaches the broker; of all its lines only host and port are new."""
    name = f"{bus.kind}-{version[0]}-{version[2]}"
    text = (PROGRAMS / f"{name.replace('-', '_')}.py").read_text("utf-8")
    await bus.create_topics(*(f"programs.{name}.{topic}" for topic in ("questions", "ends", "other")))
    if bus.kind == "mqtt":
        return text.replace("mosquitto", bus.host).replace("1883", str(bus.port))
    return text.replace("kafka:9092", f"{bus.host}:{bus.port}")


async def what_it_does(python: Path | str, program: Path, lines: int) -> list[str]:
    """Run a program until it has logged so many lines; interrupt it then, as its users do."""
    said: list[str] = []
    async with await anyio.open_process([str(python), str(program)], stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        text = ""
        async for part in TextReceiveStream(process.stderr):
            text += part
            said = re.findall(r"^INFO:program:(?:programs\S+[./])?(.*)\n", text, re.MULTILINE)
            if len(said) == lines:
                process.send_signal(signal.SIGINT)
                lines = -1  # once is enough
        await process.wait()

    assert said, text
    return said


async def test_on_spa_dat(program: str, old_python: Path, version: str, tmp_path: Path) -> None:
    """Requests, replies, state, several topics: this is what the programs do with the library they were written for."""
    path = tmp_path / "program.py"
    path.write_text(program, "utf-8")
    with anyio.fail_after(60):
        done = await what_it_does(old_python, path, len(DOES[version]))

    assert done == DOES[version]


async def test_on_spa(program: str, version: str, tmp_path: Path) -> None:
    """With the imports changed as the guide says, and nothing else, the programs do the same on SPA."""
    path = tmp_path / "program.py"
    path.write_text(migrated(program), "utf-8")
    with anyio.fail_after(60):
        done = await what_it_does(sys.executable, path, len(DOES[version]))

    assert "spa_dat" not in path.read_text("utf-8")
    assert done == DOES[version]
