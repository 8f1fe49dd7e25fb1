"""Every benchmark runs and prints its figures; what they are is for people to judge."""

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

ROOT = Path(__file__).parents[2]
FEW = 0.002
"""The part of its messages a benchmark gets here."""


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[ModuleType]:
    """Return the benchmarks' command line as it is where FastStream is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        patch.setitem(sys.modules, "faststream", None)
        yield importlib.import_module("benchmarks.__main__")
        for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
            del sys.modules[name]


@pytest.mark.parametrize("name", ["pipeline", "throughput", "request", "publish", "memory"])
def test_each_benchmark_measures(name: str, benchmarks: ModuleType) -> None:
    """Each benchmark gives every variant a rate, or says why it has none."""
    benchmark = benchmarks.BENCHMARKS[name]
    results = list(benchmarks.results(benchmark, rounds=1, scale=FEW))
    lines = [benchmarks.table.line(benchmark, result) for result in results]

    assert [result.variant for result in results] == [variant.name for variant in benchmark.variants]
    assert all(result.rate > 0 and result.cpu > 0 for result in results if not result.missing)
    assert all(line.startswith(name) for line in lines)


def test_a_peer_that_is_missing_is_no_failure(benchmarks: ModuleType) -> None:
    """Without FastStream its line says what would install it, and the other peers are compared all the same."""
    ours, plain, typed, faststream = benchmarks.results(benchmarks.BENCHMARKS["throughput"], rounds=1, scale=FEW)

    assert ours.ratio is None
    assert plain.ratio > 0
    assert typed.ratio > 0
    assert "nox -s bench" in faststream.missing


def test_the_command_prints_a_table() -> None:
    """``python -m benchmarks`` prints a line for each variant of the benchmarks that are named."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "publish", "--quick"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)

    assert result.stderr == ""
    assert result.returncode == 0
    assert len(re.findall(r"^publish +publish.+ [\d,]+ +[\d.]+", result.stdout, re.MULTILINE)) == 3


def test_the_command_names_what_there_is() -> None:
    """A name that is no benchmark is refused with those that are."""
    command = [sys.executable, "-m", "benchmarks", "publisch"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)

    assert result.returncode == 2
    assert "pipeline, throughput, request, publish, memory" in result.stderr
