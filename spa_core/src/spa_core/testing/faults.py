"""
Faults as plain values: what goes wrong with which message. Nothing here makes it happen.

A schedule is drawn by Hypothesis, made from a seed, or written down by hand, and can be printed, stored and run again.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import msgspec

from spa_core._suggest import did_you_mean
from spa_core.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FAULT_KINDS", "Fault", "FaultKind", "FaultSchedule"]

FaultKind: TypeAlias = Literal["delay", "disconnect", "drop", "duplicate", "refuse_publish", "reorder"]
"""What can go wrong; :class:`Fault` says what each kind means."""

FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
"""All kinds, in alphabetical order."""

_COUNTED: Final = frozenset({"duplicate", "reorder"})
_TIMED: Final = frozenset({"delay", "disconnect"})
_POSITION: Final = attrgetter("position")


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One thing that goes wrong with one message.

    ======================  ===================================================================================
    kind                    what becomes of the message at ``position``
    ======================  ===================================================================================
    ``"delay"``             it is delivered ``seconds`` later, and so may be overtaken
    ``"disconnect"``        before it is published, the connection is lost for ``seconds``
    ``"drop"``              its publish succeeds, and it is never delivered
    ``"duplicate"``         it is delivered ``count`` times more
    ``"refuse_publish"``    its publish fails with ``PublishRefusedError``, and it is not delivered
    ``"reorder"``           it is delivered after the ``count`` messages that follow it
    ======================  ===================================================================================

    Attributes:
        kind: What goes wrong.
        position: Which message it strikes: its number among all messages published, from 0.
        count: How many messages a duplicate or a reordering is about; 1 for the other kinds.
        seconds: How long a delay or a disconnection takes; 0 for the other kinds.

    Raises:
        ParameterError: A value is out of range, or means nothing for the kind.
    """

    kind: FaultKind
    position: int
    count: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            hint = did_you_mean(self.kind, FAULT_KINDS)
            message = f"there is no fault of kind {self.kind!r}; allowed are: {', '.join(FAULT_KINDS)}"
            raise ParameterError(message, parameter="kind", allowed=FAULT_KINDS, hint=hint)
        if self.position < 0:
            raise _out_of_range("position", self.position, "0 or more")
        if self.count < 1:
            raise _out_of_range("count", self.count, "1 or more")
        if self.count > 1 and self.kind not in _COUNTED:
            raise _means_nothing("count", self.kind, _COUNTED)
        if not 0 <= self.seconds < math.inf:
            raise _out_of_range("seconds", self.seconds, "0 or more")
        if self.seconds > 0 and self.kind not in _TIMED:
            raise _means_nothing("seconds", self.kind, _TIMED)


class FaultSchedule(msgspec.Struct, frozen=True):
    """
    What goes wrong in one run, at most one thing with each message.

    Attributes:
        faults: The faults, sorted by their positions.
        seed: What :meth:`seeded` made them from; ``None`` if they come from elsewhere.

    Raises:
        ParameterError: Two faults have one position.

    Example:
        >>> schedule = FaultSchedule((Fault(kind="delay", position=7, seconds=2.0), Fault(kind="drop", position=3)))
        >>> [fault.kind for fault in schedule.faults]
        ['drop', 'delay']
        >>> schedule.at(3)
        Fault(kind='drop', position=3, count=1, seconds=0.0)
        >>> schedule.at(4) is None
        True
    """

    faults: tuple[Fault, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        faults = tuple(sorted(self.faults, key=_POSITION))
        msgspec.structs.force_setattr(self, "faults", faults)
        for fault, following in pairwise(faults):
            if fault.position == following.position:
                raise ParameterError(
                    f"the message at {fault.position} has two faults, {fault.kind!r} and {following.kind!r}",
                    parameter="faults",
                    hint="Give each fault a position of its own",
                )

    @classmethod
    def seeded(
        cls,
        seed: int,
        *,
        messages: int,
        rate: float = 0.1,
        kinds: Sequence[FaultKind] = FAULT_KINDS,
        max_count: int = 3,
        max_seconds: float = 5.0,
    ) -> FaultSchedule:
        """
        Return the schedule that belongs to a seed: the same one for the same arguments, wherever it is made.

        Args:
            seed: Any number.
            messages: How many messages the run has, at least.
            rate: The share of the messages that something goes wrong with, 0 to 1.
            kinds: What may go wrong, each as likely as the other.
            max_count: The most messages that a duplicate or a reordering is about.
            max_seconds: The longest delay or disconnection, in seconds.

        Raises:
            ParameterError: *rate* is out of range, or there are no *kinds*.

        Example:
            >>> FaultSchedule.seeded(6, messages=100, rate=0.02).faults
            (Fault(kind='disconnect', position=21, count=1, seconds=4.522),)
        """
        if not 0 <= rate <= 1:
            raise _out_of_range("rate", rate, "0 to 1")
        if not kinds:
            raise _out_of_range("kinds", kinds, ", ".join(FAULT_KINDS))
        # Of all that Random offers, only random() is promised to stay the same from one Python to the next.
        draw = Random(seed).random  # noqa: S311 - to be repeated, not to be secret
        faults: list[Fault] = []
        for position in range(messages):
            strikes, chance, size = draw() < rate, draw(), draw()
            if strikes:
                kind = kinds[int(chance * len(kinds))]
                count = 1 + int(size * max_count) if kind in _COUNTED else 1
                seconds = round(size * max_seconds, 3) if kind in _TIMED else 0.0
                faults.append(Fault(kind=kind, position=position, count=count, seconds=seconds))
        return cls(tuple(faults), seed)

    def at(self, position: int) -> Fault | None:
        """Return what goes wrong with the message at *position*, if anything does."""
        index = bisect_left(self.faults, position, key=_POSITION)
        if index < len(self.faults) and self.faults[index].position == position:
            return self.faults[index]
        return None


def _out_of_range(parameter: str, value: object, allowed: str) -> ParameterError:
    message = f"{parameter} of a fault is {value!r}; allowed is: {allowed}"
    return ParameterError(message, parameter=parameter, allowed=(allowed,))


def _means_nothing(parameter: str, kind: str, kinds: frozenset[str]) -> ParameterError:
    hint = f"It belongs to {' and '.join(sorted(kinds))}"
    return ParameterError(f"{parameter} means nothing for a fault of kind {kind!r}", parameter=parameter, hint=hint)
