"""What the one timer of many deadlines does, on a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_mqtt.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """A timer of the clock."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.is_cancelled = False

    def when(self) -> float:
        """When it is due."""
        return self.at

    def cancel(self) -> None:
        """Never call."""
        self.is_cancelled = True


class Clock(asyncio.AbstractEventLoop):
    """An event loop that only has timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        """The time."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:  # type: ignore[override]
        """Set a timer."""
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    @property
    def live(self) -> list[Timer]:
        """Timers that will call."""
        return [timer for timer in self.timers if not timer.is_cancelled]

    def turn_to(self, now: float) -> None:
        """Let time pass, and call what is due."""
        while due := sorted((timer for timer in self.live if timer.at <= now), key=Timer.when):
            self.now = due[0].at
            self.timers.remove(due[0])
            due[0].call()
        self.now = now


@given(st.dictionaries(st.integers(0, 20), st.floats(0, 100), min_size=1), st.sets(st.integers(0, 20)))
def test_each_is_over_at_its_deadline_and_none_that_ended(deadlines: dict[int, float], ended: set[int]) -> None:
    """In whatever order they are added, each is over when its time is, once, and there is one timer at most."""
    clock, over = Clock(), list[tuple[int, float]]()
    waiting = Deadlines[int](clock, lambda item: over.append((item, clock.now)))
    for item, deadline in deadlines.items():
        waiting.add(item, deadline)
        assert len(clock.live) == 1
    for item in ended:
        waiting.remove(item)
    clock.turn_to(200)

    assert sorted(over) == sorted((item, at) for item, at in deadlines.items() if item not in ended)
    assert not clock.live
    assert not len(waiting)


def test_it_can_be_closed_and_used_by_who_is_called() -> None:
    """Closing leaves no timer; whoever is told may add and remove others."""
    clock, over = Clock(), list[str]()

    def on_over(item: str) -> None:
        over.append(item)
        waiting.remove("neighbour")
        if item == "first":
            waiting.add("second", clock.now + 5)

    waiting = Deadlines[str](clock, on_over)
    waiting.add("first", 1)
    waiting.add("neighbour", 1)
    clock.turn_to(10)
    waiting.add("third", 20)
    waiting.close()
    clock.turn_to(100)

    assert over == ["first", "second"]
    assert not clock.live


def test_nothing_is_set_again_for_a_later_deadline() -> None:
    """A publisher that is always busy sets one timer in the time that each message has, not one for each."""
    clock = Clock()
    waiting = Deadlines[int](clock, pytest.fail)
    for number in range(1000):
        clock.turn_to(number / 100)
        waiting.add(number, number / 100 + 30)
        waiting.remove(number)

    assert len(clock.timers) == 1
