"""How long a new message waits for its handler while one in another partition takes 150 ms."""

from __future__ import annotations

from benchmarks.brokers import no_kafka
from benchmarks.measure import Benchmark
from benchmarks.peers import peer

BENCHMARK = Benchmark(
    name="kafka-beside",
    goal="p50 at most 10 ms",
    messages=50,
    peers=True,
    lacks=no_kafka,
    rounds=2,
    variants=(
        peer("SPA, concurrency=8", "kafka.spa:beside", needs="spa_kafka.transport"),
        peer("aiokafka, getone", "kafka.aiokafka_peer:beside", needs="aiokafka"),
        peer(
            "FastStream, default",
            "kafka.faststream_peer:beside",
            needs="faststream aiokafka",
        ),
    ),
)
BENCHMARKS = (BENCHMARK,)
