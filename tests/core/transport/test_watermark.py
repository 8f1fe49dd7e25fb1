"""The watermark: commits follow what was finished without a gap, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spa_core.transport import OffsetWatermark

GENERATION = 3
# How far each offset lies beyond the one before it: 1 leaves no gap.
STEPS = st.lists(st.integers(1, 5), min_size=1, max_size=40)


def offsets(steps: list[int]) -> list[int]:
    """Return the offsets that lie *steps* apart, the first one from -1."""
    return [sum(steps[: count + 1]) - 1 for count in range(len(steps))]


def filled(received: list[int]) -> OffsetWatermark:
    """Return a watermark that has received all offsets."""
    watermark = OffsetWatermark(GENERATION)
    for offset in received:
        watermark.received(offset)
    return watermark


class Naive:
    """The same in the most obvious way: every offset ever received, looked at from the start each time."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.finished: set[int] = set()
        self.accepted = -1

    @property
    def unfinished(self) -> list[int]:
        """Return the offsets not finished, in order."""
        return [offset for offset in self.received if offset not in self.finished]

    @property
    def committable(self) -> int | None:
        """Return one past the last offset that has only finished ones before it, if the broker does not know it."""
        first = self.unfinished[0] if self.unfinished else float("inf")
        prefix = [offset + 1 for offset in self.received if offset < first]
        return prefix[-1] if prefix and prefix[-1] > self.accepted else None


class WatermarkAgainstList(RuleBasedStateMachine):
    """Any sequence of messages, results in any order, late results and commits that succeed or fail."""

    @initialize(generation=st.integers(1, 5))
    def assign(self, generation: int) -> None:
        """Begin an assignment."""
        self.watermark = OffsetWatermark(generation)
        self.naive = Naive()

    @rule(step=st.integers(1, 1000))
    def receive(self, step: int) -> None:
        """Receive the next message, perhaps beyond a gap."""
        offset = (self.naive.received[-1] if self.naive.received else -1) + step
        self.watermark.received(offset)
        self.naive.received.append(offset)

    @precondition(lambda self: self.naive.received)
    @rule(back=st.integers(0, 3))
    def receive_again(self, back: int) -> None:
        """Receive what is not above all before it."""
        with pytest.raises(ValueError, match="is not above"):
            self.watermark.received(self.naive.received[-1] - back)

    @precondition(lambda self: self.naive.unfinished)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Finish any message."""
        offset = data.draw(st.sampled_from(self.naive.unfinished))

        assert self.watermark.done(offset, self.watermark.generation)
        self.naive.finished.add(offset)

    @precondition(lambda self: self.naive.finished)
    @rule(data=st.data())
    def finish_again(self, data: st.DataObject) -> None:
        """Finish a message once more."""
        offset = data.draw(st.sampled_from(sorted(self.naive.finished)))

        assert not self.watermark.done(offset, self.watermark.generation)

    @rule(offset=st.integers(-5, 3000), distance=st.integers(-2, 2).filter(bool))
    def finish_in_another_generation(self, offset: int, distance: int) -> None:
        """Finish a message that another assignment handed out, older or newer."""
        assert not self.watermark.done(offset, self.watermark.generation + distance)

    @rule(offset=st.integers(-5, 3000))
    def finish_the_unknown(self, offset: int) -> None:
        """Finish a message that was never received."""
        if offset not in self.naive.received:
            assert not self.watermark.done(offset, self.watermark.generation)

    @rule(accepted=st.booleans())
    def commit(self, accepted: bool) -> None:  # noqa: FBT001 - a case, not an option
        """Commit what can be; the broker may be away."""
        next_offset = self.watermark.committable()
        if next_offset is not None and accepted:
            self.watermark.committed(next_offset)
            self.naive.accepted = next_offset

    @precondition(lambda self: self.naive.received and not self.naive.unfinished)
    @rule(beyond=st.integers(1, 5))
    def commit_the_position(self, beyond: int) -> None:
        """Commit a position beyond the last message; the next one lies there or later."""
        position = self.naive.received[-1] + beyond
        self.watermark.committed(position)
        self.naive.accepted = max(self.naive.accepted, position)

    @rule(lower=st.integers(-1, 3000))
    def hear_of_an_earlier_commit(self, lower: int) -> None:
        """Hear of a commit overtaken by a later one."""
        self.watermark.committed(min(lower, self.naive.accepted))

    @invariant()
    def agrees(self) -> None:
        """Say what the list says."""
        unfinished = self.naive.unfinished

        assert self.watermark.committable() == self.naive.committable
        assert self.watermark.pending == len(unfinished)
        assert self.watermark.oldest_pending == (unfinished[0] if unfinished else None)


TestWatermarkAgainstList = WatermarkAgainstList.TestCase


@given(steps=STEPS, data=st.data())
def test_no_commit_passes_an_unfinished_offset(steps: list[int], data: st.DataObject) -> None:
    """Whatever is finished in whatever order, every unfinished offset stays at or above what can be committed."""
    received = offsets(steps)
    watermark = filled(received)
    finished = data.draw(st.lists(st.sampled_from(received), unique=True))
    for offset in finished:
        watermark.done(offset, GENERATION)
    unfinished = set(received) - set(finished)
    next_offset = watermark.committable()

    assert next_offset is None or all(offset >= next_offset for offset in unfinished)


@given(steps=STEPS, data=st.data())
def test_everything_finished_is_everything_committed(steps: list[int], data: st.DataObject) -> None:
    """Gaps hold nothing back: once all is finished, in any order, the offset after the last one can be committed."""
    received = offsets(steps)
    watermark = filled(received)

    assert all(watermark.done(offset, GENERATION) for offset in data.draw(st.permutations(received)))
    assert watermark.committable() == received[-1] + 1
    assert watermark.pending == 0
    assert watermark.oldest_pending is None


@given(steps=STEPS, others=st.sets(st.integers(0, 10).filter(lambda number: number != GENERATION), min_size=1))
def test_another_generation_never_has_an_effect(steps: list[int], others: set[int]) -> None:
    """Results of another assignment say that they count for nothing, and they do."""
    received = offsets(steps)
    watermark = filled(received)

    assert not any(watermark.done(offset, generation) for offset in received for generation in others)
    assert watermark.committable() is None
    assert watermark.pending == len(received)
    assert watermark.oldest_pending == received[0]


def test_the_next_assignment_starts_anew() -> None:
    """A partition that comes back begins where its messages begin, and late results of before do not move it."""
    before = OffsetWatermark(generation=1)
    before.received(10)
    after = OffsetWatermark(generation=2)
    after.received(7)
    after.received(10)

    assert not after.done(10, before.generation)
    assert after.done(10, after.generation)
    assert after.committable() is None
    assert after.done(7, after.generation)
    assert after.committable() == 11


def test_a_failed_commit_is_not_lost() -> None:
    """Until a commit is reported as accepted, it can be asked for again, and it grows with what is finished."""
    watermark = filled([0, 1, 2])
    watermark.done(0, GENERATION)

    assert watermark.committable() == 1
    assert watermark.committable() == 1

    watermark.done(1, GENERATION)

    assert watermark.committable() == 2

    watermark.committed(2)

    assert watermark.committable() is None


def test_what_finishes_during_a_commit_is_committed_next() -> None:
    """A commit that succeeds covers what it was made for, not what finished while it was under way."""
    watermark = filled([0, 1])
    watermark.done(0, GENERATION)
    under_way = watermark.committable()
    watermark.done(1, GENERATION)
    assert under_way == 1
    watermark.committed(under_way)

    assert watermark.committable() == 2


@pytest.mark.parametrize(("received", "offset"), [([], -1), ([5], 5), ([5], 4)])
def test_an_offset_that_does_not_rise_is_refused(received: list[int], offset: int) -> None:
    """A position that went back would mix two deliveries of a message; it is refused and nothing is noted."""
    watermark = filled(received)

    with pytest.raises(ValueError, match=rf"^offset {offset} is not above .*needs a new watermark$"):
        watermark.received(offset)

    assert watermark.pending == len(received)


def test_memory_is_what_lies_behind_the_oldest_unfinished() -> None:
    """What was finished without a gap is forgotten at once, committed or not."""
    watermark = filled(list(range(1000)))
    for offset in range(999):
        watermark.done(offset, GENERATION)

    assert len(watermark._received) == len(watermark._unfinished) == 1
    assert not hasattr(watermark, "__dict__")
