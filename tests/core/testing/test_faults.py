"""Faults as values: what they may say, and schedules that can be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import ParameterError
from spa_core.testing.faults import FAULT_KINDS, Fault, FaultSchedule

if TYPE_CHECKING:
    from spa_core.testing.faults import FaultKind

COUNTED: tuple[FaultKind, ...] = ("duplicate", "reorder")
TIMED: tuple[FaultKind, ...] = ("delay", "disconnect")


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_needs_a_position_only(kind: FaultKind) -> None:
    """A kind and a position are enough for every fault."""
    fault = Fault(kind=kind, position=0)

    assert (fault.kind, fault.position, fault.count, fault.seconds) == (kind, 0, 1, 0)


@pytest.mark.parametrize("kind", COUNTED)
def test_some_faults_are_about_several_messages(kind: FaultKind) -> None:
    """A duplicate and a reordering have a count."""
    assert Fault(kind=kind, position=3, count=2).count == 2


@pytest.mark.parametrize("kind", TIMED)
def test_some_faults_take_time(kind: FaultKind) -> None:
    """A delay and a disconnection have a duration."""
    assert Fault(kind=kind, position=3, seconds=0.5).seconds == 0.5


@pytest.mark.parametrize(
    ("fields", "parameter", "reason"),
    [
        ({"kind": "dorp"}, "kind", "there is no fault of kind 'dorp'"),
        ({"position": -1}, "position", "position of a fault is -1; allowed is: 0 or more"),
        ({"kind": "duplicate", "count": 0}, "count", "count of a fault is 0; allowed is: 1 or more"),
        ({"kind": "delay", "seconds": -0.1}, "seconds", "seconds of a fault is -0.1; allowed is: 0 or more"),
        ({"kind": "delay", "seconds": float("inf")}, "seconds", "seconds of a fault is inf"),
        ({"kind": "delay", "seconds": float("nan")}, "seconds", "seconds of a fault is nan"),
        ({"count": 2}, "count", "count means nothing for a fault of kind 'drop'"),
        ({"seconds": 2.0}, "seconds", "seconds means nothing for a fault of kind 'drop'"),
    ],
)
def test_senseless_faults_are_refused(fields: dict[str, Any], parameter: str, reason: str) -> None:
    """A value that is out of range, or that its kind does not have, is refused with its name."""
    sound: dict[str, Any] = {"kind": "drop", "position": 0}

    with pytest.raises(ParameterError) as caught:
        Fault(**sound | fields)

    assert caught.value.parameter == parameter
    assert caught.value.message.startswith(reason)


def test_the_way_out_is_given() -> None:
    """A misspelt kind gets the nearest one, a value in the wrong place the kinds that have it."""
    with pytest.raises(ParameterError) as misspelt:
        Fault(kind="dorp", position=0)  # type: ignore[arg-type]
    with pytest.raises(ParameterError) as misplaced:
        Fault(kind="drop", position=0, seconds=1)

    assert misspelt.value.hint == "Did you mean 'drop'?"
    assert misspelt.value.allowed == FAULT_KINDS
    assert misplaced.value.hint == "It belongs to delay and disconnect"


def test_a_schedule_is_in_order() -> None:
    """Whatever order its faults are given in, a schedule has them by position."""
    faults = [Fault(kind="drop", position=position) for position in (5, 1, 3)]

    assert [fault.position for fault in FaultSchedule(tuple(faults)).faults] == [1, 3, 5]
    assert FaultSchedule(tuple(faults)) == FaultSchedule(tuple(reversed(faults)))


def test_one_message_has_one_fault() -> None:
    """Two faults of one message are refused, as it would be a guess which comes first."""
    faults = (Fault(kind="drop", position=4), Fault(kind="delay", position=4))

    with pytest.raises(ParameterError, match="the message at 4 has two faults, 'drop' and 'delay'"):
        FaultSchedule(faults)


@given(seed=st.integers(), messages=st.integers(0, 300), rate=st.floats(0, 1))
def test_a_seed_makes_its_schedule_again(seed: int, messages: int, rate: float) -> None:
    """One seed gives one schedule, whose faults strike the messages there are."""
    schedule = FaultSchedule.seeded(seed, messages=messages, rate=rate)

    assert schedule == FaultSchedule.seeded(seed, messages=messages, rate=rate)
    assert schedule.seed == seed
    assert all(fault.position < messages for fault in schedule.faults)


def test_a_seed_means_the_same_everywhere() -> None:
    """What a seed stands for changes with no version of Python or of ours, so that a report can be run again."""
    schedule = FaultSchedule.seeded(5, messages=100, rate=0.02)

    assert schedule.faults == (
        Fault(kind="refuse_publish", position=16),
        Fault(kind="delay", position=22, seconds=0.905),
        Fault(kind="duplicate", position=92),
    )


def test_the_rate_is_kept() -> None:
    """No message, about every tenth, or every one is struck, as the rate says."""
    counts = [len(FaultSchedule.seeded(1, messages=1000, rate=rate).faults) for rate in (0, 0.1, 1)]

    assert counts[0] == 0
    assert 50 < counts[1] < 200
    assert counts[2] == 1000


@given(seed=st.integers())
def test_kinds_and_sizes_stay_within_their_bounds(seed: int) -> None:
    """Only the kinds that are asked for happen, and none is larger than allowed; all of them come up."""
    schedule = FaultSchedule.seeded(
        seed, messages=300, rate=1, kinds=["delay", "reorder"], max_count=2, max_seconds=0.25
    )

    assert {fault.kind for fault in schedule.faults} == {"delay", "reorder"}
    assert {fault.count for fault in schedule.faults} == {1, 2}
    assert all(fault.seconds <= 0.25 for fault in schedule.faults)


@pytest.mark.parametrize(("options", "parameter"), [({"rate": 1.5}, "rate"), ({"kinds": ()}, "kinds")])
def test_senseless_schedules_are_refused(options: dict[str, Any], parameter: str) -> None:
    """A rate above 1, and no kinds at all, are refused."""
    with pytest.raises(ParameterError) as caught:
        FaultSchedule.seeded(1, messages=10, **options)

    assert caught.value.parameter == parameter


@given(seed=st.integers(), messages=st.integers(0, 50))
def test_every_position_is_looked_up(seed: int, messages: int) -> None:
    """``at`` finds exactly the faults there are."""
    schedule = FaultSchedule.seeded(seed, messages=messages, rate=0.5)
    found = [fault for position in range(-1, messages + 2) if (fault := schedule.at(position)) is not None]

    assert tuple(found) == schedule.faults


@given(seed=st.integers(-(2**63), 2**63 - 1))
def test_a_schedule_can_be_stored(seed: int) -> None:
    """A schedule survives JSON, as a report needs it to, and what is senseless is refused there too."""
    schedule = FaultSchedule.seeded(seed, messages=30, rate=0.3)

    assert msgspec.json.decode(msgspec.json.encode(schedule), type=FaultSchedule) == schedule

    with pytest.raises(msgspec.ValidationError, match="means nothing"):
        msgspec.json.decode(b'{"kind": "drop", "position": 1, "seconds": 1}', type=Fault)
