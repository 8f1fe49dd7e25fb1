"""A question and its answer; another process answers. FastStream cannot ask over Kafka."""

from __future__ import annotations

from benchmarks.brokers import no_kafka
from benchmarks.kafka.case import Case
from benchmarks.measure import Benchmark
from benchmarks.peers import peer


def benchmark(case: Case) -> Benchmark:
    """Return the clients side by side."""
    return Benchmark(
        name=f"kafka-request/{case.size}/{case.at_once}",
        goal="3,000/s and p50 at most 15 ms" if case.at_once > 1 else "",
        messages=10_000 if case.at_once > 1 else 500,
        peers=True,
        lacks=no_kafka,
        variants=(
            peer("SPA, answered by SPA", "kafka.spa:request", case, needs="spa_kafka.transport"),
            peer("aiokafka, all by hand", "kafka.aiokafka_peer:request", case, needs="aiokafka"),
        ),
    )


BENCHMARKS = tuple(benchmark(Case(100, 1, at_once)) for at_once in (100, 1))
