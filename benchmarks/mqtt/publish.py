"""From a client to the broker: content type and two headers; at level 1 each publish waits for its confirmation."""

from __future__ import annotations

from benchmarks.brokers import no_mosquitto
from benchmarks.measure import Benchmark
from benchmarks.mqtt.case import Case
from benchmarks.peers import peer

SPA = "spa_mqtt.transport"


def benchmark(case: Case) -> Benchmark:
    """Return the clients side by side."""
    return Benchmark(
        name=f"mqtt-publish/q{case.qos}/{case.size}/{case.at_once}",
        goal="2 times raw aiomqtt, ahead of gmqtt" if case.qos and case.at_once > 1 else "",
        messages=20_000 if case.at_once > 1 else 5_000,
        peers=True,
        lacks=no_mosquitto,
        variants=(
            peer("SPA", "mqtt.spa:publish", case, "", needs=SPA),
            peer("SPA, fast path off", "mqtt.spa:publish", case, "&fast_path=off", needs=SPA),
            peer("aiomqtt", "mqtt.aiomqtt_peer:publish", case, needs="aiomqtt", share=0.5),
            peer("gmqtt, as many and then a wait", "mqtt.gmqtt_peer:publish", case, needs="gmqtt"),
            peer(
                "FastStream",
                "mqtt.faststream_peer:publish",
                case,
                needs="faststream zmqtt",
                share=0.5,
            ),
        ),
    )


BENCHMARKS = tuple(benchmark(Case(qos, size, at_once)) for qos in (1, 0) for size in (64, 1024) for at_once in (100, 1))
