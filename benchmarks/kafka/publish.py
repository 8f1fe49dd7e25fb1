"""From many tasks to the broker, each waiting until all replicas have its message; with a key and two headers."""

from __future__ import annotations

from benchmarks.brokers import no_kafka
from benchmarks.kafka.case import BATCH, Case
from benchmarks.measure import Benchmark
from benchmarks.peers import peer

DEFAULT_BATCH = 16 * 1024


def benchmark(case: Case) -> Benchmark:
    """Return the clients side by side."""
    raw = "kafka.aiokafka_peer:publish"
    return Benchmark(
        name=f"kafka-publish/{case.size}/{case.partitions}/{case.at_once}",
        goal="1.5 times aiokafka at its best, no collapse at 1 KiB",
        messages=20_000,
        peers=True,
        lacks=no_kafka,
        variants=(
            peer("SPA", "kafka.spa:publish", case, needs="spa_kafka.transport"),
            peer("aiokafka, batches of 128 KiB", raw, case, BATCH, needs="aiokafka"),
            peer("aiokafka, default", raw, case, DEFAULT_BATCH, needs="aiokafka", share=0.2),
            peer("confluent, no headers", "kafka.confluent_peer:publish", case, needs="confluent_kafka"),
            peer(
                "FastStream, batches of 128 KiB",
                "kafka.faststream_peer:publish",
                case,
                needs="faststream aiokafka",
                share=0.5,
            ),
        ),
    )


BENCHMARKS = tuple(benchmark(Case(size, partitions, 1000)) for size in (100, 1024) for partitions in (1, 4))
