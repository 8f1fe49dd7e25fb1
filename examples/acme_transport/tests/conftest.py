"""A broker for the tests: a process of its own, on a free port."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def broker_port() -> Iterator[int]:
    """Where the broker listens."""
    command = [sys.executable, "-m", "acme_transport.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:  # noqa: S603 - our own module
        try:
            line = next(iter(broker.stdout or ()))
            yield int(line.rpartition(":")[2])
        finally:
            broker.terminate()
