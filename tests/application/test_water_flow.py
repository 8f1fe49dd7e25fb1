"""The example that a newcomer reads first does what its data's publisher says there is to find."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

FOLDER = Path(__file__).parents[2] / "examples" / "water_flow"

SPELLS = [
    ("low", "24 March 09:00", "25 March 01:00", "17"),
    ("low", "29 March 08:00", "29 March 20:00", "13"),
    ("high", "3 April 06:00", "3 April 06:00", "1"),
    ("low", "27 April 15:00", "28 April 05:00", "15"),
]


def spells_in(printed: str) -> list[tuple[str, ...]]:
    """Return the rows of the printed report: kind, first and last hour, hours."""
    return re.findall(r"^(low|high) +(\d+ \w+ [\d:]+) +(\d+ \w+ [\d:]+) +(\d+) ", printed, re.MULTILINE)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the example as a newcomer does, but with warnings as errors."""
    command = [sys.executable, "-W", "error", str(FOLDER / "main.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the example's main module, fresh, and forget it with all it imported from its folder."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module("main")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


def test_the_program_finds_what_happened() -> None:
    """Run as a script it prints an alarm for each spell as it begins, then the report on all readings, and succeeds."""
    result = run()

    assert result.stderr == ""
    assert result.returncode == 0
    assert re.findall(r"^ALARM on (\d+ \w+ [\d:]+):", result.stdout, re.MULTILINE) == [first for _, first, *_ in SPELLS]
    assert "1,268 readings of plant north checked in " in result.stdout
    assert "spells of low flow: 3, of high flow: 1\n" in result.stdout
    assert spells_in(result.stdout) == SPELLS


def test_the_broker_is_an_argument() -> None:
    """A URL as argument decides where it runs; one that nothing serves is an error that says what is installed."""
    result = run("mqqt://localhost")

    assert result.returncode == 1
    assert "UnknownSchemeError" in result.stderr
    assert "memory" in result.stderr


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_application_ends_in_good_order(
    backend: str, example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """On either event loop it drains and stops by itself, and every message was handled exactly once."""
    example.app.start(backend=backend)
    health = example.app.health()
    handled = {part.name: part.counts.handled for part in health.applications}

    assert spells_in(capsys.readouterr().out) == SPELLS
    assert example.app.ending == "drained"
    assert health.state == "stopped"
    assert handled == {"detect": 1268, "note": 46, "report": 1, "replay": 0}


def test_an_alarm_must_be_confirmed(example: ModuleType) -> None:
    """Judging teaches nothing: a reading judged again, because its alarm was not confirmed, is as unusual as before."""
    detector, readings = example.Detector(), example.read_series()
    outage = next(reading for reading in readings if reading.flow < 50)
    for reading in readings[: readings.index(outage)]:
        detector.learn("north", reading)
    first, second = detector.judge("north", outage), detector.judge("north", outage)

    assert first is not None
    assert first == second


def test_noting_an_alarm_twice_changes_nothing(example: ModuleType) -> None:
    """An alarm that is delivered again leaves the report as it is."""
    logbook, time = example.Logbook(), example.read_series()[0].time
    alarm = example.Alarm(time=time, flow=24.3, usual=101.2, z=-70.0)
    logbook.note("north", alarm)
    once = logbook.report("north")
    logbook.note("north", alarm)

    assert logbook.report("north") == once
