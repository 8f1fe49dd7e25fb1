"""The real brokers of a benchmark: one of each for a whole run, started when it is first asked for."""

from __future__ import annotations

import atexit
import functools
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # where brokers are run as processes

HOST: Final = "127.0.0.1"

_SETTINGS: Final = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 65535
max_queued_messages 1000000
"""


@functools.cache
def mosquitto() -> int:
    """
    Return the port of a Mosquitto on this machine.

    It sends small packets at once and holds no message back: a client is measured, not the broker's limits.
    """
    from brokers.mosquitto.program import mosquitto_command  # noqa: PLC0415 - only where a broker is needed
    from brokers.process import BrokerProcess, free_port  # noqa: PLC0415

    port, folder = free_port(), _folder()
    settings = folder / "mosquitto.conf"
    settings.write_text(_SETTINGS.format(port=port), "utf-8")
    broker = BrokerProcess([*mosquitto_command(), "-c", str(settings)], ports=[port], log=folder / "mosquitto.log")
    broker.start()
    atexit.register(broker.kill)
    return port


def no_mosquitto() -> str:
    """Return why there is no Mosquitto; empty if there is."""
    return _reason("brokers.mosquitto.program", "mosquitto_command")


@functools.cache
def kafka() -> str:
    """Return the address of a Kafka: the one that ``SPA_TEST_KAFKA`` names, else our own on this machine."""
    if named := os.environ.get("SPA_TEST_KAFKA"):
        return named
    from brokers.kafka import KafkaBroker  # noqa: PLC0415 - only where a broker is needed

    broker = KafkaBroker(_folder())
    broker.__enter__()
    atexit.register(broker.kill)
    return broker.plaintext


def no_kafka() -> str:
    """Return why there is no Kafka; empty if there is."""
    return "" if os.environ.get("SPA_TEST_KAFKA") else _reason("brokers.kafka.jars", "kafka_jars")


@functools.cache
def _reason(module: str, find: str) -> str:
    try:
        getattr(importlib.import_module(module), find)()
    except Exception as error:  # noqa: BLE001 - that it is not there, or what finds it is not
        return f"not measured: {error}"
    return ""


def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="spa-benchmarks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after the broker is gone: the last comes first
    return Path(folder)
