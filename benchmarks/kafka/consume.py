"""From the broker to a handler: records with a key and two headers, committed every second after their handlers."""

from __future__ import annotations

from benchmarks.brokers import no_kafka
from benchmarks.kafka.case import Case
from benchmarks.measure import Benchmark
from benchmarks.peers import peer

STORED = 50_000
SPA = "spa_kafka.transport"
FASTSTREAM = "faststream aiokafka"


def benchmark(case: Case) -> Benchmark:
    """Return the clients side by side."""
    ours, raw = "kafka.spa:consume", "kafka.aiokafka_peer:consume"
    fast, plain = "kafka.faststream_peer:consume", "kafka.confluent_peer:consume"
    return Benchmark(
        name=f"kafka-consume/{case.size}/{case.partitions}" + (f"/{case.filled}-filled" if case.filled else ""),
        goal="8 times FastStream's default, a quarter of aiokafka",
        messages=STORED,
        peers=True,
        lacks=no_kafka,
        variants=(
            peer("SPA, typed handler", ours, case, STORED, 1, needs=SPA),
            peer("SPA, typed handler, concurrency=8", ours, case, STORED, 8, needs=SPA),
            peer("SPA, transport alone", f"{ours}_transport", case, STORED, needs=SPA),
            peer("aiokafka, getmany, awaited handler", raw, case, STORED, needs="aiokafka"),
            peer("confluent, consume, plain handler", plain, case, STORED, needs="confluent_kafka"),
            peer("FastStream, default (may lose)", fast, case, STORED, "", needs=FASTSTREAM, share=0.2),
            peer("FastStream, AckPolicy.ACK", fast, case, STORED, "ACK", needs=FASTSTREAM, share=0.04),
        ),
    )


BENCHMARKS = (
    *(benchmark(Case(size, partitions)) for size in (100, 1024) for partitions in (1, 4)),
    benchmark(Case(100, 4, filled=1)),
)
