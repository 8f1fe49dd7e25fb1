"""Runs one scenario outside of pytest: for an author with a debugger, and for proving that a scenario can fail."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import anyio

from spa_core._suggest import did_you_mean
from spa_core.errors import ParameterError
from spa_core.testing._performance import perform
from spa_core.testing.scenario import scenario_of

if TYPE_CHECKING:
    from spa_core.testing.suite import TransportSuite

__all__ = ["run_scenario"]


def run_scenario(suite: TransportSuite, name: str, *, backend: str = "asyncio") -> str | None:
    """
    Run one scenario on an event loop of its own; it raises what the scenario raises, provisional or not.

    Args:
        suite: The suite of the transport.
        name: The scenario's name, ``test_...``.
        backend: ``"asyncio"`` or ``"trio"``.

    Returns:
        Why the scenario is not for this transport; ``None`` if it was run and holds.

    Raises:
        ParameterError: The suite has no such scenario.
    """
    method = getattr(suite, name, None)
    found = scenario_of(method)
    if method is None or found is None:
        names = [each.name for each in suite.scenarios()]
        hint = did_you_mean(name, names)
        raise ParameterError(f"no scenario is called {name!r}", parameter="name", allowed=names, hint=hint)
    kit = suite.make_kit()
    reason = suite.reason_to_skip(found, kit)
    if reason is None:
        claim = functools.partial(method.__wrapped__, suite)
        anyio.run(functools.partial(perform, claim, kit, alone=found.alone), backend=backend)
    return reason
