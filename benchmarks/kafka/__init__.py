"""SPA over Kafka beside the raw clients and FastStream, all against one broker."""

from __future__ import annotations

from benchmarks.kafka import beside, consume, publish, requests

BENCHMARKS = (*consume.BENCHMARKS, *publish.BENCHMARKS, *requests.BENCHMARKS, *beside.BENCHMARKS)
