"""Ways to do the same that are not always there: each is imported when it is first run, and named if it is missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Run


def peer(name: str, function: str, *args: Any, needs: str, share: float = 1.0) -> Variant:
    """
    Return a variant whose code is imported when it is run.

    Args:
        name: What the table calls it.
        function: Where it is: ``module:function`` below this package.
        *args: What the function is given before the number of messages.
        needs: The modules that must be installed, separated by blanks.
        share: See :class:`~benchmarks.measure.Variant`.
    """
    absent = [module for module in needs.split() if importlib.util.find_spec(module) is None]
    reason = f"not measured: {', '.join(absent)} is not installed; nox -s bench installs it" if absent else ""
    return Variant(name=name, run=_later(function, args), share=share, missing=reason)


def _later(function: str, args: tuple[Any, ...]) -> Callable[[int], Run]:
    module, _, attribute = function.partition(":")

    def run(messages: int) -> Run:
        found: Callable[..., Run] = getattr(importlib.import_module(f"benchmarks.{module}"), attribute)
        return found(*args, messages)

    return run
