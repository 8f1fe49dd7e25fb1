"""What the driver is given for a configuration: its own names, and milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl

    from spa_kafka.config import KafkaConfig

__all__ = ["consumer_arguments", "link_arguments", "producer_arguments"]

_ROOM: Final = 64 * 1024
"""Bytes beyond the payload that a key and headers may take."""

_BACKOFF: Final = 50
"""Milliseconds that the driver waits before it repeats a single call."""


def link_arguments(config: KafkaConfig, context: ssl.SSLContext | None, client_id: str) -> dict[str, Any]:
    """Return what each of the driver's clients is given."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": list(config.bootstrap_servers),
        "client_id": client_id,
        "request_timeout_ms": _milliseconds(config.broker_timeout),
        "retry_backoff_ms": _BACKOFF,
        "metadata_max_age_ms": max(1000, _milliseconds(config.discover_interval)),
        "security_protocol": ("SASL_" if config.mechanism else "") + ("SSL" if config.tls else "PLAINTEXT"),
        "ssl_context": context,
    }
    if config.mechanism is not None and config.password is not None:
        arguments |= {
            "sasl_mechanism": config.mechanism,
            "sasl_plain_username": config.username,
            "sasl_plain_password": config.password.reveal(),
        }
    return arguments


def consumer_arguments(config: KafkaConfig) -> dict[str, Any]:
    """Return what the driver's consumer is given besides."""
    session = _milliseconds(config.session_timeout)
    return {
        "fetch_max_wait_ms": _milliseconds(config.fetch_max_wait),
        "max_partition_fetch_bytes": config.fetch_size,
        "isolation_level": config.isolation,
        "session_timeout_ms": session,
        "heartbeat_interval_ms": min(3000, session // 3),
        "rebalance_timeout_ms": _milliseconds(config.rebalance_timeout),
    }


def producer_arguments(config: KafkaConfig) -> dict[str, Any]:
    """Return what the driver's producer is given besides."""
    return {
        "acks": config.acks,
        "compression_type": None if config.compression == "none" else config.compression,
        "max_batch_size": config.batch_size,
        "max_request_size": config.max_payload + _ROOM,
    }


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
