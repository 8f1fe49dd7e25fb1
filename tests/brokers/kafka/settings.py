"""What the tests' Kafka is told in its ``server.properties``; knows Kafka's words, and starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from brokers.certificates import Certificates

__all__ = ["Listener", "server_properties"]

HOST: Final = "127.0.0.1"

_ONE_NODE: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
}
_FOR_TESTS: Final = {
    "auto.create.topics.enable": "false",  # a test that forgets to make its topic is to fail
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A killed broker that starts again is refused by its own controller until its former life has expired.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}
_SMALL: Final = {
    "num.network.threads": "1",  # for each listener
    "num.io.threads": "2",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.index.size.max.bytes": "1048576",
    "log.segment.bytes": "16777216",
}


@dataclass(frozen=True)
class Listener:
    """
    One way into the broker.

    Attributes:
        name: Its name, in capitals.
        protocol: Kafka's word for it, such as ``SASL_SSL``.
        port: Where it listens.
        advertised: The port that clients are told to come to, if it is not *port*.
    """

    name: str
    protocol: str
    port: int
    advertised: int | None = None


def server_properties(
    listeners: list[Listener],
    *,
    controller: int,
    data: Path,
    certificates: Certificates,
    users: Mapping[str, str],
) -> str:
    """
    Return the file's text.

    Args:
        listeners: The ways in for clients.
        controller: The port where the broker speaks with itself.
        data: The folder of its data.
        certificates: For listeners with TLS.
        users: Names and passwords for SASL PLAIN.
    """
    names = [*listeners, Listener("CONTROLLER", "PLAINTEXT", controller)]
    properties = {
        **_ONE_NODE,
        **_FOR_TESTS,
        **_SMALL,
        "log.dirs": str(data),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": ",".join(f"{each.name}://{HOST}:{each.port}" for each in names),
        "advertised.listeners": ",".join(f"{each.name}://{HOST}:{each.advertised or each.port}" for each in listeners),
        "listener.security.protocol.map": ",".join(f"{each.name}:{each.protocol}" for each in names),
        **_tls(certificates),
    }
    for each in listeners:
        if each.protocol.startswith("SASL"):
            properties |= _sasl(each.name, users)
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _tls(certificates: Certificates) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
        "listener.name.mutual_tls.ssl.client.auth": "required",
    }


def _sasl(name: str, users: Mapping[str, str]) -> dict[str, str]:
    known = " ".join(f'user_{user}="{password}"' for user, password in users.items())
    prefix, modules = f"listener.name.{name.lower()}", "org.apache.kafka.common.security"
    return {
        f"{prefix}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"{prefix}.plain.sasl.jaas.config": f"{modules}.plain.PlainLoginModule required {known};",
        f"{prefix}.scram-sha-256.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
        f"{prefix}.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
    }
