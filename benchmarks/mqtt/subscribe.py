"""From the broker to a handler: content type and two headers, confirmed after the handler where the client can."""

from __future__ import annotations

from benchmarks.brokers import no_mosquitto
from benchmarks.measure import Benchmark
from benchmarks.mqtt.case import Case
from benchmarks.peers import peer

SPA = "spa_mqtt.transport"


def benchmark(case: Case) -> Benchmark:
    """Return the clients side by side."""
    return Benchmark(
        name=f"mqtt-subscribe/q{case.qos}/{case.size}",
        goal="2.5 times raw aiomqtt, 5 times FastStream, ahead of gmqtt" if case.qos else "",
        messages=20_000,
        peers=True,
        lacks=no_mosquitto,
        variants=(
            peer("SPA, typed handler", "mqtt.spa:subscribe", case, "", needs=SPA),
            peer("SPA, transport alone", "mqtt.spa:subscribe_transport", case, "", needs=SPA),
            peer("SPA, fast path off", "mqtt.spa:subscribe", case, "&fast_path=off", needs=SPA),
            peer("aiomqtt", "mqtt.aiomqtt_peer:subscribe", case, needs="aiomqtt", share=0.5),
            peer("gmqtt", "mqtt.gmqtt_peer:subscribe", case, needs="gmqtt"),
            peer(
                "FastStream, typed handler",
                "mqtt.faststream_peer:subscribe",
                case,
                needs="faststream zmqtt",
                share=0.25,
            ),
        ),
    )


BENCHMARKS = tuple(benchmark(Case(qos, size)) for qos in (1, 0) for size in (64, 1024))
