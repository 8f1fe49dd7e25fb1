"""Lanes: who may run next, as bookkeeping."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spa_core._delivery.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Hashable

LANE = st.sampled_from([None, None, "a", "b", ("t", b"k")])


class LanesAgainstModel(RuleBasedStateMachine):
    """Any sequence of adding, taking and finishing, beside one queue a lane."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes[int]()
        self.number = 0
        self.waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        self.running: list[tuple[int, Hashable]] = []

    @rule(lane=LANE)
    def add(self, lane: Hashable) -> None:
        """Add the next item to a lane."""
        self.number += 1
        self.lanes.add(self.number, lane)
        self.waiting[lane].append(self.number)

    @rule()
    def take(self) -> None:
        """Take an item: the first of its lane, which was not running; nothing only if nothing may run."""
        taken = self.lanes.take()

        if taken is None:
            assert not self.may_run()
            return
        item, lane = taken
        assert item == self.waiting[lane].popleft()
        assert lane is None or lane not in [busy for _, busy in self.running]
        self.running.append(taken)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Finish any running item."""
        ended = data.draw(st.sampled_from(self.running))
        self.running.remove(ended)
        self.lanes.done(ended[1])

    def may_run(self) -> int:
        """Count what may run now: all without a lane, and one of each lane that is not running."""
        busy = {lane for _, lane in self.running}
        laned = sum(1 for lane, items in self.waiting.items() if items and lane is not None and lane not in busy)
        return laned + len(self.waiting[None])

    @invariant()
    def counts_agree(self) -> None:
        """As many are ready as may run, and all that is not finished is counted."""
        assert self.lanes.ready == self.may_run()
        assert len(self.lanes) == sum(map(len, self.waiting.values())) + len(self.running)


TestLanesAgainstModel = LanesAgainstModel.TestCase


@given(st.lists(LANE, max_size=60), st.integers(1, 8))
def test_workers_are_never_idle_while_an_item_may_run(lanes: list[Hashable], workers: int) -> None:
    """Work is conserved: with n workers, as many run as there are lanes with items, up to n, until all is done."""
    waiting = Lanes[int]()
    for number, lane in enumerate(lanes):
        waiting.add(number, lane)
    left = Counter(lanes)
    done: list[tuple[int, Hashable]] = []
    running: deque[tuple[int, Hashable]] = deque()

    while len(done) < len(lanes):
        while len(running) < workers and (taken := waiting.take()) is not None:
            running.append(taken)

        assert len(running) == min(workers, left[None] + sum(1 for lane in left if lane is not None and left[lane]))
        ended = running.popleft()
        waiting.done(ended[1])
        left[ended[1]] -= 1
        done.append(ended)

    for lane in set(lanes):
        of_lane = [number for number, its in done if its == lane]
        assert of_lane == sorted(of_lane)


@given(st.lists(LANE, max_size=40))
def test_a_lane_exists_only_while_it_has_items(lanes: list[Hashable]) -> None:
    """However many keys there are, nothing is kept of them once their messages are done."""
    waiting = Lanes[int]()
    for number, lane in enumerate(lanes):
        waiting.add(number, lane)
    while (taken := waiting.take()) is not None:
        waiting.done(taken[1])

    assert len(waiting) == 0
    assert not waiting._behind
