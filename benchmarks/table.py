"""The table that is printed; knows results and nothing of how they came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Benchmark, Result

_LINE = "{:24} {:34} {:>11} {:>8} {:>8} {:>8}  {}"


def head() -> str:
    """Return the line above all others."""
    return _LINE.format("benchmark", "variant", "messages/s", "CPU µs", "p50 µs", "p99 µs", "remark")


def line(benchmark: Benchmark, result: Result) -> str:
    """Return the line of one variant."""
    if result.missing:
        return _LINE.format(benchmark.name, result.variant, "-", "-", "", "", result.missing)
    return _LINE.format(
        benchmark.name,
        result.variant,
        f"{result.rate:,.0f}",
        _microseconds(result.cpu),
        _microseconds(result.p50),
        _microseconds(result.p99),
        _remark(benchmark, result),
    )


def _microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.1f}"


def _remark(benchmark: Benchmark, result: Result) -> str:
    if result.growth is not None:
        grown = f"{result.messages:,} messages: {result.growth / 2**10:,.0f} KiB at most after the first tenth"
        return f"{grown}; goal: {benchmark.goal}"
    if result.ratio is not None:
        return f"{result.ratio:.2f} times the processor time of SPA"
    is_ours = not benchmark.peers or result.variant == benchmark.variants[0].name
    return f"goal: {benchmark.goal}" if benchmark.goal and is_ours else ""
