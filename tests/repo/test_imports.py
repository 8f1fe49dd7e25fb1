"""What an import costs, and which modules are nobody's but core's."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NOT_LOADED = frozenset(
    {"aiokafka", "aiomqtt", "click", "importlib.metadata", "paho", "spa_inmemory", "spa_kafka", "spa_mqtt", "trio"}
)


def test_core_loads_no_more_than_it_needs() -> None:
    """In a fresh interpreter, all public names of core load no transport, broker client, command line or metadata."""
    # Coverage would load modules of its own into the interpreter it measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", "import sys; from spa_core import *; print(*sys.modules)"]
    loaded = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()

    assert "spa_core" in loaded
    assert NOT_LOADED.isdisjoint(loaded)


def test_private_modules_are_closed_to_transports(root: Path, private_modules: list[str]) -> None:
    """The import rule for transports covers every private module of core, new ones too."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (rule,) = (contract for contract in contracts if contract["id"] == "transports-public")
    patterns = rule["forbidden_modules"]
    private = {outermost(module) for module in private_modules if module.startswith("spa_core.")}

    assert {module for module in private if not any(fnmatch(module, pattern) for pattern in patterns)} == set()


def outermost(module: str) -> str:
    """Return a private module's name up to its first private part."""
    parts = module.split(".")
    first = next(index for index, part in enumerate(parts) if part.startswith("_"))
    return ".".join(parts[: first + 1])
