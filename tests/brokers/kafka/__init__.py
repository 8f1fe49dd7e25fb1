"""
A real Apache Kafka for tests: one node, with a listener for each way of being allowed in.

Its first start takes about five seconds and 200 MB. The jars come from Maven Central and stay in a cache.
"""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path
from typing import Final, Self

from brokers.certificates import Certificates
from brokers.kafka.jars import NoKafkaError, java, kafka_jars
from brokers.kafka.settings import HOST, Listener, server_properties
from brokers.process import BrokerProcess, free_port

__all__ = ["PASSWORD", "USER", "KafkaBroker", "NoKafkaError"]

USER: Final = "ann"
"""Whom the SASL listeners know, by PLAIN and by SCRAM with SHA-256 and SHA-512."""

PASSWORD: Final = "ann's secret: 1/@%"
"""The password of `USER`; with characters that must be escaped in a URL."""

_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_SMALL_JVM: Final = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
)


class KafkaBroker:
    """
    A broker of our own; a context manager, running inside.

    It creates no topic by itself, lets groups begin at once and sessions be as short as one second. What it stores
    survives :meth:`restart`, and :meth:`kill` followed by :meth:`start`.

    Args:
        folder: An empty folder for its files; its log is ``broker.log``.

    Attributes:
        plaintext: Address without any security, ``host:port``.
        ssl: Address with TLS; `certificates` has the authority.
        mutual_tls: Address with TLS where the client needs a certificate too.
        sasl: Address with SASL for `USER`, without TLS.
        sasl_ssl: Address with SASL for `USER`, over TLS.
        proxied: Address without security for a proxy to forward to: there the broker tells clients to come to
            `proxy_port`.
        proxy_port: A free port for that proxy to listen on.
        certificates: Files with the authority, and with the key and certificate of a client.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jars = kafka_jars()
        self._ports = [free_port() for _ in range(8)]
        controller, self.proxy_port, *ports = self._ports
        names = {
            "PLAINTEXT": "PLAINTEXT",
            "SSL": "SSL",
            "MUTUAL_TLS": "SSL",
            "SASL": "SASL_PLAINTEXT",
            "SASL_SSL": "SASL_SSL",
            "PROXIED": "PLAINTEXT",
        }
        self._listeners = [
            Listener(name, protocol, port, self.proxy_port if name == "PROXIED" else None)
            for port, (name, protocol) in zip(ports, names.items(), strict=True)
        ]
        addresses = [f"{HOST}:{each.port}" for each in self._listeners]
        self.plaintext, self.ssl, self.mutual_tls, self.sasl, self.sasl_ssl, self.proxied = addresses
        self.certificates = Certificates.made_in(folder)
        self._properties = folder / "server.properties"
        self._properties.write_text(
            server_properties(
                self._listeners,
                controller=controller,
                data=folder / "data",
                certificates=self.certificates,
                users={USER: PASSWORD},
            ),
            "utf-8",
        )
        command = self._java("kafka.Kafka", str(self._properties))
        self._process = BrokerProcess(command, ports=ports, log=folder / "broker.log")

    def __enter__(self) -> Self:
        self._format()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it again; return when it accepts connections."""
        self._process.start()

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self._process.stop()

    def restart(self) -> None:
        """Stop it and start it again, with all it stores, on the same ports."""
        self._process.restart()

    def kill(self) -> None:
        """End it with SIGKILL, as a machine that loses its power does."""
        self._process.kill()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A name must not begin with a dash, which the tool would take for an option.
        options = [f"--cluster-id=A{cluster[1:]}", f"--config={self._properties}"]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            options += ["--add-scram", f'{mechanism}=[name="{USER}",password="{PASSWORD}"]']
        command = self._java("kafka.tools.StorageTool", "format", *options)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Kafka's data could not be prepared:\n{done.stdout}{done.stderr}")

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            java(),
            *_SMALL_JVM,
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile=file:{_LOGGING}",
            f"-Dkafka.logs.dir={self._folder}",
            "-cp",
            f"{self._jars}/*",
            main,
            *arguments,
        ]
