"""
The options of the conformance kit, for pytest, which finds this module by its entry point ``spa``.

It is imported in every run of pytest where core is installed, so it imports nothing until an option asks for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

__all__ = ["pytest_addoption", "pytest_configure", "pytest_report_header"]

# Modules with assertions that are worth an explanation when they fail.
_ASSERTING: Final = ("spa_core.testing.kit", "spa_core.testing.parties", "spa_core.testing.scenarios")

pytest.register_assert_rewrite(*(module for module in _ASSERTING if module not in sys.modules))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kit."""
    group = parser.getgroup("spa", "conformance of SPA transports")
    group.addoption(
        "--spa-report",
        action="append",
        default=[],
        metavar="PATH",
        help="write which guarantees hold to PATH: as a table if it ends in .md, else as JSON; may be repeated",
    )
    group.addoption("--spa-stress", type=int, default=1, metavar="N", help="run each scenario N times at once")
    group.addoption(
        "--spa-timeout-multiplier",
        type=float,
        default=1.0,
        metavar="X",
        help="wait X times as long as the suite says before a scenario counts as failed",
    )
    group.addoption("--spa-seed", type=int, metavar="N", help="seed what is random in scenarios, instead of the suite")


def pytest_configure(config: pytest.Config) -> None:
    """
    Check the options, and collect a report if one is asked for.

    Raises:
        pytest.UsageError: A number is out of range.
    """
    if config.option.spa_stress < 1:
        raise pytest.UsageError("--spa-stress must be at least 1")
    if not config.option.spa_timeout_multiplier > 0:
        raise pytest.UsageError("--spa-timeout-multiplier must be above 0")
    paths: list[str] = config.option.spa_report
    if paths and not hasattr(config, "workerinput"):  # with pytest-xdist, workers tell the process that writes
        from spa_core.testing._recorder import Recorder  # noqa: PLC0415 - only who asks for a report pays for it

        config.pluginmanager.register(
            Recorder([config.invocation_params.dir / Path(path) for path in paths]), "spa-report"
        )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say with which options a run can be repeated, if any was given."""
    defaults = {"stress": 1, "timeout-multiplier": 1.0, "seed": None}
    options = {name: config.getoption(f"spa_{name.replace('-', '_')}") for name in defaults}
    given = [f"--spa-{name}={value}" for name, value in options.items() if value != defaults[name]]
    return [f"spa: {' '.join(given)}"] if given else []
