"""A question and its answer at level 1; another process answers, the same one for every client."""

from __future__ import annotations

from benchmarks.brokers import no_mosquitto
from benchmarks.measure import Benchmark
from benchmarks.mqtt.case import Case
from benchmarks.peers import peer

SPA = "spa_mqtt.transport"


def benchmark(case: Case) -> Benchmark:
    """Return the clients side by side."""
    return Benchmark(
        name=f"mqtt-request/{case.size}/{case.at_once}",
        goal="p50 at most 1 ms" if case.at_once == 1 else "",
        messages=5_000 if case.at_once > 1 else 2_000,
        peers=True,
        lacks=no_mosquitto,
        variants=(
            peer("SPA", "mqtt.spa:request", case, "", needs=SPA),
            peer("SPA, fast path off", "mqtt.spa:request", case, "&fast_path=off", needs=SPA),
            peer("aiomqtt, table by hand", "mqtt.aiomqtt_peer:request", case, needs="aiomqtt"),
            peer("gmqtt, table by hand", "mqtt.gmqtt_peer:request", case, needs="gmqtt"),
            peer(
                "FastStream",
                "mqtt.faststream_peer:request",
                case,
                needs="faststream zmqtt",
                share=0.2,
            ),
        ),
    )


BENCHMARKS = tuple(benchmark(Case(1, 64, at_once)) for at_once in (1, 50))
