"""SPA over MQTT beside the raw clients and FastStream, all against one Mosquitto."""

from __future__ import annotations

from benchmarks.mqtt import publish, requests, subscribe

BENCHMARKS = (*subscribe.BENCHMARKS, *publish.BENCHMARKS, *requests.BENCHMARKS)
