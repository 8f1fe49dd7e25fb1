"""
Tools for proving transports and testing applications; needs the extra ``spa-core[testing]``.

This module only hands names on, and imports what a name stands for when it is asked for: pytest loads it in every
session because of the plugin, and must not pay for what nobody uses. Strategies for Hypothesis are in
:mod:`spa_core.testing.strategies`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spa_core.testing.clock import virtual_time
    from spa_core.testing.errors import DeadlockError, RealIOError
    from spa_core.testing.faults import Fault, FaultSchedule
    from spa_core.testing.faulty import FaultyProvider
    from spa_core.testing.harness import ApplicationTest, HandlerCall
    from spa_core.testing.kit import Kit
    from spa_core.testing.proxy import FaultProxy
    from spa_core.testing.runner import run_scenario
    from spa_core.testing.suite import TransportSuite

__all__ = [
    "ApplicationTest",
    "DeadlockError",
    "Fault",
    "FaultProxy",
    "FaultSchedule",
    "FaultyProvider",
    "HandlerCall",
    "Kit",
    "RealIOError",
    "TransportSuite",
    "run_scenario",
    "virtual_time",
]

_HOMES = {
    "ApplicationTest": "harness",
    "DeadlockError": "errors",
    "Fault": "faults",
    "FaultProxy": "proxy",
    "FaultSchedule": "faults",
    "FaultyProvider": "faulty",
    "HandlerCall": "harness",
    "Kit": "kit",
    "RealIOError": "errors",
    "TransportSuite": "suite",
    "run_scenario": "runner",
    "virtual_time": "clock",
}

if not TYPE_CHECKING:  # type checkers see the imports above, and tell a name that does not exist

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        """Import what a public name stands for."""
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=import_module(__name__))
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
