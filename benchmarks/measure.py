"""
What a benchmark is and how it is measured: several rounds, its variants taking turns, and medians of the rounds.

Taking turns matters on a shared machine: what its neighbours do in a minute then concerns all variants alike.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class Run(msgspec.Struct):
    """
    What one round of one variant took.

    Attributes:
        messages: How many messages, or requests, it was.
        seconds: Wall time.
        cpu_seconds: Processor time of this process.
        latencies: Seconds from each request to its reply; empty if it was not about requests.
        growth: Bytes by which the process grew; ``None`` if it was not about memory.
    """

    messages: int
    seconds: float
    cpu_seconds: float
    latencies: list[float] = []
    growth: int | None = None


class Variant(msgspec.Struct, kw_only=True):
    """
    One way to do what a benchmark measures.

    Attributes:
        name: What the table calls it.
        run: Makes one round with a number of messages.
        share: How much of the benchmark's number of messages it gets; slow peers get less, to keep a round short.
        missing: Why it cannot be measured here; empty if it can.
    """

    name: str
    run: Callable[[int], Run]
    share: float = 1.0
    missing: str = ""


class Benchmark(msgspec.Struct, kw_only=True):
    """
    Something to measure.

    Attributes:
        name: What the command line and the table call it.
        goal: What it should reach, in words.
        messages: How many messages a round has.
        variants: The ways to do it; where there are peers, ours comes first.
        peers: Whether the others are compared with the first.
        rounds: How many rounds at most.
        lacks: Returns what is missing here for all of them; empty if nothing is.
    """

    name: str
    goal: str
    messages: int
    variants: Sequence[Variant]
    peers: bool = False
    rounds: int = 5
    lacks: Callable[[], str] = str


class Result(msgspec.Struct, kw_only=True):
    """
    The medians of a variant's rounds.

    Attributes:
        variant: Its name.
        messages: How many a round had.
        rate: Messages a second.
        cpu: Seconds of processor time a message.
        p50: Median latency of a request in seconds; ``None`` without requests.
        p99: Latency in seconds that one request in a hundred exceeds; ``None`` without requests.
        growth: Bytes by which the process grew, at most; ``None`` if that was not measured.
        ratio: How many times as much processor time as the first variant it takes; ``None`` if they are not compared.
            Not of the rates: each is one busy task, and on a shared machine a rate says how busy its neighbours are.
        missing: Why there are no figures; empty if there are.
    """

    variant: str
    messages: int = 0
    rate: float = 0.0
    cpu: float = 0.0
    p50: float | None = None
    p99: float | None = None
    growth: int | None = None
    ratio: float | None = None
    missing: str = ""


class Stopwatch:
    """Measures the wall time and the processor time between its start and its stop; a context manager does both."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0
        self._wall = self._cpu = 0.0

    def start(self) -> None:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Stop."""
        self.seconds, self.cpu_seconds = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, messages: int, *, latencies: Sequence[float] = (), growth: int | None = None) -> Run:
        """Return what was measured."""
        return Run(messages, self.seconds, self.cpu_seconds, list(latencies), growth)


def results(benchmark: Benchmark, *, rounds: int, scale: float) -> Iterator[Result]:
    """
    Measure a benchmark.

    Args:
        benchmark: The benchmark.
        rounds: How many rounds at most.
        scale: What part of its messages to use.
    """
    lacking = benchmark.lacks()
    missing = {variant.name: variant.missing or lacking for variant in benchmark.variants}
    runs: dict[str, list[Run]] = {variant.name: [] for variant in benchmark.variants}
    for _ in range(min(rounds, benchmark.rounds)):
        for variant in benchmark.variants:
            if not missing[variant.name]:
                gc.collect()
                runs[variant.name].append(variant.run(max(1, int(benchmark.messages * scale * variant.share))))
    first = runs[benchmark.variants[0].name]
    for variant in benchmark.variants:
        compared = first if benchmark.peers and runs[variant.name] is not first else []
        yield _result(variant.name, missing[variant.name], runs[variant.name], compared)


def _result(name: str, missing: str, runs: list[Run], compared: list[Run]) -> Result:
    if missing:
        return Result(variant=name, missing=missing)
    timed = [quantiles(run.latencies, n=100, method="inclusive") for run in runs if len(run.latencies) > 1]
    return Result(
        variant=name,
        messages=runs[0].messages,
        rate=median(run.messages / run.seconds for run in runs),
        cpu=median(map(_cpu, runs)),
        p50=median(percentiles[49] for percentiles in timed) if timed else None,
        p99=median(percentiles[98] for percentiles in timed) if timed else None,
        growth=max((run.growth for run in runs if run.growth is not None), default=None),
        ratio=median(_cpu(run) / _cpu(ours) for ours, run in zip(compared, runs, strict=True)) if compared else None,
    )


def _cpu(run: Run) -> float:
    return run.cpu_seconds / run.messages
