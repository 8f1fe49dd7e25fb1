"""How scenarios are performed, seen without a transport."""

from __future__ import annotations

import asyncio

import pytest

from spa_core.testing._performance import is_failure
from spa_core.testing.scenario import scenario, scenario_of

FAILED = pytest.fail.Exception("did not raise")
SKIPPED = pytest.skip.Exception("too large")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AssertionError(), True),
        (TimeoutError(), True),
        (FAILED, True),
        (BaseExceptionGroup("", [FAILED, ExceptionGroup("", [ValueError()])]), True),
        (SKIPPED, False),
        (asyncio.CancelledError(), False),
        (KeyboardInterrupt(), False),
        (BaseExceptionGroup("", [AssertionError(), SKIPPED]), False),
    ],
    ids=repr,
)
def test_failures_are_told_from_endings(error: BaseException, expected: bool) -> None:  # noqa: FBT001 - a table
    """Errors and what pytest fails with are failures, alone and in groups; skips, cancellations and signals are not."""
    assert is_failure(error) is expected


def test_hooks_are_for_one_at_a_time() -> None:
    """A scenario that uses a hook is alone, whether it says so or not; others are if they say so."""

    async def claim(suite: object, kit: object) -> None:
        """It holds."""

    made = [scenario()(claim), scenario(alone=True)(claim), scenario(hook="restart_broker")(claim)]

    assert [found.alone for each in made if (found := scenario_of(each))] == [False, True, True]


def test_a_scenario_states_its_claim() -> None:
    """A scenario without a docstring, or with a need that is no capability, is refused where it is written."""

    async def silent(suite: object, kit: object) -> None:
        pass

    with pytest.raises(TypeError, match="needs a docstring"):
        scenario()(silent)
    silent.__doc__ = "It holds."
    for need in ("speed", "ordering>=perfect"):
        with pytest.raises(TypeError, match=need.partition(">=")[2] or need):
            scenario(need)(silent)
