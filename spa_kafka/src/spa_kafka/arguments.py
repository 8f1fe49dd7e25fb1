"""What the driver is given for a configuration: its own names, milliseconds, and the TLS context."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spa_kafka.config import KafkaConfig

__all__ = ["consumer_arguments", "link_arguments", "producer_arguments", "tls_context"]

_ROOM: Final = 64 * 1024
"""Bytes beyond the payload that a key and headers may take."""

_BACKOFF: Final = 50
"""Milliseconds that the driver waits before it repeats a single call."""


def tls_context(config: KafkaConfig) -> ssl.SSLContext | None:
    """
    Return what encrypts connections, ``None`` without TLS. Reads files: not for the event loop's thread.

    Raises:
        OSError: A file cannot be read, or does not hold what it should.
    """
    if not config.tls:
        return None
    context = ssl.create_default_context(cafile=config.tls_ca)
    if config.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.tls_cert is not None:
        password = None if config.tls_key_password is None else config.tls_key_password.reveal()
        context.load_cert_chain(config.tls_cert, config.tls_key, password)
    return context


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
