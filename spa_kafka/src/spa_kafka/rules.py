"""Which fields of a configuration go together; each alone is of its type already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core.errors import ParameterError, UrlError
from spa_kafka.address import broker_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spa_kafka.config import KafkaConfig

__all__ = ["check"]

_NEEDS: Final[Mapping[str, str]] = {
    "password": "username",
    "sasl_mechanism": "username",
    "tls_ca": "tls",
    "tls_cert": "tls",
    "tls_insecure": "tls",
    "tls_key": "tls_cert",
    "tls_key_password": "tls_cert",
    "username": "password",
}
"""Fields that mean nothing without another."""

_ORDERED: Final = (
    ("reconnect_min", "reconnect_max"),
    ("session_timeout", "rebalance_timeout"),
)
"""Fields of which the first must not be more than the second."""

_APART: Final = (("buffer_low", "buffer_high"), ("drain_timeout", "rebalance_timeout"))
"""Fields of which the first must be less than the second."""


def check(config: KafkaConfig) -> None:
    """
    Refuse what cannot be meant.

    Raises:
        ParameterError: Fields contradict each other, or one holds what Kafka cannot use.
    """
    for fault in _faults(config):
        raise fault


def _faults(config: KafkaConfig) -> Iterator[ParameterError]:
    yield from _server_faults(config)
    yield from _missing_partners(config)
    yield from _order_faults(config)
    if config.group_id is not None and config.group not in (None, config.group_id):
        yield _fault("group_id", f"is {config.group_id!r}, but 'group' is {config.group!r}", "Give group= alone")
    if config.idempotence == "on" and config.acks != "all":
        yield _fault("idempotence", f"is on, which needs acks=all, not acks={config.acks}", "Leave acks= out")


def _server_faults(config: KafkaConfig) -> Iterator[ParameterError]:
    if not config.bootstrap_servers:
        yield _fault("bootstrap_servers", "names no broker", "Give at least one, as in 'broker:9092'")
    try:
        broker_addresses(config.bootstrap_servers)
    except UrlError as error:
        yield _fault("bootstrap_servers", "holds what is no host", error.hint or "Write brokers as 'b1:9092,b2:9092'")


def _missing_partners(config: KafkaConfig) -> Iterator[ParameterError]:
    for name, partner in _NEEDS.items():
        # By presence, since an empty password is one, and a switch that is off is not.
        if getattr(config, name) not in (None, False) and getattr(config, partner) in (None, False):
            hint = "Write kafka+ssl:// or tls=True" if partner == "tls" else f"Give {partner}= too"
            yield _fault(name, f"means nothing without {partner!r}", hint)


def _order_faults(config: KafkaConfig) -> Iterator[ParameterError]:
    for small, large in _ORDERED:
        if getattr(config, small) > getattr(config, large):
            yield _relation(config, small, f"must not be more than {large!r}", large)
    for small, large in _APART:
        if getattr(config, small) >= getattr(config, large):
            yield _relation(config, small, f"must be less than {large!r}", large)


def _relation(config: KafkaConfig, small: str, rule: str, large: str) -> ParameterError:
    return _fault(small, f"is {getattr(config, small):g} and {rule}, which is {getattr(config, large):g}")


def _fault(name: str, reason: str, hint: str | None = None) -> ParameterError:
    return ParameterError(f"parameter {name!r} {reason}", parameter=name, source="the configuration", hint=hint)
