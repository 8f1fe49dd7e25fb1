"""
The one seam over aiokafka: typed, with its errors translated and its known faults kept in.

Worked around here and nowhere else: a ``stop()`` that raises ``CancelledError`` or never returns, a fetch task that
dies in silence, lost connections that nobody is told of, refusals at start that are only logged, passwords in debug
logs.
"""

from __future__ import annotations

from spa_kafka.client._admin import AdminLink
from spa_kafka.client._consumer import ConsumerLink, Record
from spa_kafka.client._errors import BatchTooLargeError, DeniedError, PartitionsLostError, ProducerLostError
from spa_kafka.client._logs import mind_logs
from spa_kafka.client._producer import Batch, ProducerLink, Sendable, key_hash

__all__ = [
    "AdminLink",
    "Batch",
    "BatchTooLargeError",
    "ConsumerLink",
    "DeniedError",
    "PartitionsLostError",
    "ProducerLink",
    "ProducerLostError",
    "Record",
    "Sendable",
    "key_hash",
]

mind_logs()
