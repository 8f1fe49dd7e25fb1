"""What a scenario is: one claim about a transport, and the capabilities that gate it; knows none in particular."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, get_args, get_type_hints

import msgspec
import pytest

from spa_core.testing._performance import is_failure, perform
from spa_core.testing.hooks import Hooks
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from spa_core.testing.kit import Kit

__all__ = ["Scenario", "missing_capability", "scenario", "scenario_of"]

SuiteT = TypeVar("SuiteT")
Method: TypeAlias = "Callable[[SuiteT, Kit], Coroutine[Any, Any, None]]"

_MARK: Final = "spa_scenario"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """
    One claim about a transport.

    Attributes:
        name: The method's name, ``test_...``.
        group: The group it belongs to, such as ``"settlement"``.
        claim: What it proves, in one sentence.
        needs: Capabilities it is gated by: ``"retain"`` (declared at all), ``"ordering>=key"`` (at least so much).
        hook: The suite's hook it needs, such as ``"restart_broker"``; ``None`` if none.
        alone: It looks at the whole process, so that under stress it is performed one by one and not at once.
        provisional: New in this minor release: a failure is reported, and does not fail the suite yet.
    """

    name: str
    group: str
    claim: str
    needs: tuple[str, ...] = ()
    hook: str | None = None
    alone: bool = False
    provisional: bool = False

    @property
    def gates(self) -> tuple[str, ...]:
        """What decides whether it is for a transport: capabilities, and the hook."""
        return self.needs if self.hook is None else (*self.needs, f"hook {self.hook}")


def scenario(
    *needs: str, hook: str | None = None, alone: bool = False, provisional: bool = False
) -> Callable[[Method[SuiteT]], Method[SuiteT]]:
    """
    Mark a method as a scenario; its docstring is the claim, its module the group. What gates it is added to the former.

    A scenario that hangs, or leaves a task, a thread or a descriptor behind, fails whatever it claims. One that uses a
    hook is *alone* too, because what happens to the broker happens to all.

    Raises:
        TypeError: It has no docstring, a need names no capability, or there is no such hook.
    """
    if hook is not None and not hasattr(Hooks, hook):
        # It would be skipped for ever, whoever misspelt it.
        raise TypeError(f"no such hook: {hook!r}")

    def mark(method: Method[SuiteT]) -> Method[SuiteT]:
        claim = " ".join((method.__doc__ or "").split())
        if not claim:
            message = f"scenario {method.__name__} needs a docstring that states its claim"
            raise TypeError(message)
        for need in needs:
            _met(Capabilities(), need)
        made = Scenario(
            name=method.__name__,
            group=method.__module__.rpartition(".")[2],
            claim=claim,
            needs=needs,
            hook=hook,
            alone=alone or hook is not None,
            provisional=provisional,
        )
        run = _performing(method, made)
        run.__doc__ = f"{claim}\n\nGated by: {', '.join(made.gates) or 'nothing'}."
        setattr(run, _MARK, made)
        setattr(run, f"spa_{made.group}", True)  # `pytest -k spa_reconnect` finds functions by their attributes' names
        return run

    return mark


def _performing(method: Method[SuiteT], made: Scenario) -> Method[SuiteT]:
    @functools.wraps(method)
    async def run(suite: SuiteT, kit: Kit) -> None:
        try:
            await perform(functools.partial(method, suite), kit, alone=made.alone)
        except BaseException as error:
            if made.provisional and is_failure(error):
                pytest.xfail(f"provisional: {type(error).__name__}: {error}")
            raise

    return run


def scenario_of(method: object) -> Scenario | None:
    """Return what a method claims, or ``None`` if it is no scenario."""
    found: Scenario | None = getattr(method, _MARK, None)
    return found


def missing_capability(capabilities: Capabilities, needs: Iterable[str]) -> str | None:
    """Return the first need that *capabilities* do not declare, or ``None``."""
    return next((need for need in needs if not _met(capabilities, need)), None)


def _met(capabilities: Capabilities, need: str) -> bool:
    name, _, least = need.partition(">=")
    if name not in Capabilities.__struct_fields__:
        message = f"no such capability: {name!r}"
        raise TypeError(message)
    value: Any = getattr(capabilities, name)
    if not least:
        return value not in (False, None, "none")
    # The literal's own order is the scale, from nothing to most.
    scale = get_args(get_type_hints(Capabilities)[name])
    if least not in scale:
        message = f"{name} has no level {least!r}, only {', '.join(map(str, scale))}"
        raise TypeError(message)
    return scale.index(value) >= scale.index(least)
