"""``python -m benchmarks [NAME...] [--quick]``: measures and prints one table. It judges nothing."""

from __future__ import annotations

import argparse
import os
import platform

from benchmarks import flat_memory, kafka, mqtt, pipeline, publishing, request_reply, table, throughput
from benchmarks.measure import Benchmark, results

BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        *(module.BENCHMARK for module in (pipeline, throughput, request_reply, publishing, flat_memory)),
        *mqtt.BENCHMARKS,
        *kafka.BENCHMARKS,
    )
}
QUICK = 0.02
"""The part of the messages, and one round, of a run that only shows that everything works."""


def main() -> None:
    """Run the benchmarks that the command line names, or all."""
    options = arguments()
    rounds, scale = (1, QUICK) if options.quick else (options.rounds, 1.0)
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors; medians of", end=" ")
    print(f"up to {rounds} rounds" + (", with few messages: no figures to rely on" if options.quick else ""))
    print(table.head())
    for benchmark in chosen(options.names) if options.names else BENCHMARKS.values():
        for result in results(benchmark, rounds=rounds, scale=scale):
            print(table.line(benchmark, result), flush=True)


def chosen(names: list[str]) -> list[Benchmark]:
    """Return the benchmarks that *names* mean: ``mqtt-publish/q1`` is each whose name begins with these parts."""
    return [
        benchmark
        for name in names
        for benchmark in BENCHMARKS.values()
        if f"{benchmark.name}/".startswith((f"{name}/", f"{name}-"))
    ]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Print what SPA's hot paths cost.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}, or the first parts of some; else all"
    )
    parser.add_argument("--quick", action="store_true", help="one round with few messages, to see that all works")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take the medians of (5)")
    options = parser.parse_args()
    for name in options.names:
        if not chosen([name]):
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return options


if __name__ == "__main__":
    main()
