"""One partition's bookkeeping: nothing is committed before it is finished, lost, or handed out twice at a time."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spa_kafka.partitions import Partition, Past


class Stored(NamedTuple):
    """A record as far as a partition looks at it."""

    offset: int
    key: bytes | None = None
    value: bytes | None = b"value"


def make_partition(start: int = 10, **options: object) -> Partition[Stored]:
    """Make a partition of the first assignment."""
    return Partition(1, start, **options)  # type: ignore[arg-type]  # options by name


class PartitionMachine(RuleBasedStateMachine):
    """Whatever happens to a partition, held against a model of what became of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.partition = make_partition()
        self.next_offset = 10
        self.now = 0.0
        self.fetched: list[int] = []
        self.first_times: list[int] = []
        self.hand: dict[int, int] = {}
        self.moving: dict[int, int] = {}
        self.due: dict[int, float] = {}
        self.finished: set[int] = set()
        self.attempts: dict[int, int] = {}

    @rule(count=st.integers(1, 5), gap=st.integers(0, 3))
    def fetch(self, count: int, gap: int) -> None:
        """Records come in, perhaps behind a gap."""
        first = self.next_offset + gap
        self.partition.fetched([Stored(offset) for offset in range(first, first + count)])
        self.fetched += range(first, first + count)
        self.next_offset = first + count

    @rule(most=st.integers(1, 6))
    def take(self, most: int) -> None:
        """Somebody receives."""
        taken = self.partition.take(most, self.now)
        for record, attempt in taken:
            offset = record.offset
            assert offset not in self.hand
            assert offset not in self.finished
            assert offset not in self.moving
            assert self.due.pop(offset, 0.0) <= self.now
            assert attempt == self.attempts.get(offset, 0) + 1
            if attempt == 1:
                self.first_times.append(offset)
            self.attempts[offset] = attempt
            self.hand[offset] = attempt
        if len(taken) < most:
            ready = set(self.fetched) - self.finished - self.hand.keys() - self.moving.keys()
            assert all(self.due.get(offset, 0.0) > self.now for offset in ready)

    @precondition(lambda self: self.hand)
    @rule(data=st.data(), how=st.sampled_from(["finish", "give back", "give back later", "move"]))
    def settle(self, data: st.DataObject, how: str) -> None:
        """A delivery ends; ending it again does nothing."""
        offset = data.draw(st.sampled_from(sorted(self.hand)))
        attempt = self.hand.pop(offset)
        if how == "finish":
            assert self.partition.finish(offset, attempt)
            self.finished.add(offset)
        elif how == "move":
            assert self.partition.move(offset, attempt) is not None
            self.moving[offset] = attempt
        else:
            due = self.now + 2 if how == "give back later" else None
            assert self.partition.give_back(offset, attempt, due)
            self.due[offset] = due or 0.0
        assert not self.partition.finish(offset, attempt)
        assert not self.partition.give_back(offset, attempt)
        assert self.partition.move(offset, attempt) is None

    @precondition(lambda self: self.moving)
    @rule(data=st.data(), safe=st.booleans())
    def write_elsewhere(self, data: st.DataObject, safe: bool) -> None:  # noqa: FBT001 - drawn
        """A record that was to be written elsewhere was, or was not."""
        offset = data.draw(st.sampled_from(sorted(self.moving)))
        del self.moving[offset]
        if safe:
            self.partition.moved(offset)
            self.finished.add(offset)
        else:
            self.partition.stayed(Stored(offset), self.now + 1)
            self.due[offset] = self.now + 1

    @rule(seconds=st.floats(0.5, 3))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def commit(self) -> None:
        """What can be committed is."""
        offset = self.partition.committable()
        if offset is not None:
            self.partition.committed(offset)
            assert self.partition.committable() is None

    @invariant()
    def nothing_unfinished_is_behind_the_next_commit(self) -> None:
        """Whoever begins at the offset to commit, or to resume at, misses nothing."""
        unfinished = set(self.fetched) - self.finished
        for next_offset in (self.partition.committable(), self.partition.resume):
            assert next_offset is None or all(offset >= next_offset for offset in unfinished)

    @invariant()
    def first_deliveries_are_in_order(self) -> None:
        """Records are handed out in order the first time."""
        assert self.first_times == sorted(self.first_times)

    @invariant()
    def counts_are_right(self) -> None:
        """What is in hand, waits and was attempted is counted."""
        partition = self.partition
        assert (partition.in_hand, partition.unsettled) == (len(self.hand), len(self.hand) + len(self.moving))
        assert partition.waiting == len(self.fetched) - len(self.finished) - partition.unsettled
        assert (partition.size == 0) == (partition.waiting == 0)
        made = {offset: count for offset, count in self.attempts.items() if offset not in self.finished}
        assert partition.attempts() == dict(sorted(made.items()))

    def teardown(self) -> None:
        """In the end all that was fetched can be finished and committed."""
        for offset in list(self.moving):
            self.partition.moved(offset)
        for offset, attempt in self.hand.items():
            self.partition.finish(offset, attempt)
        while taken := self.partition.take(3, self.now + 10):
            for record, attempt in taken:
                self.partition.finish(record.offset, attempt)

        assert self.partition.oldest is None
        assert self.partition.resume == (self.fetched[-1] + 1 if self.fetched else 10)


TestPartition = PartitionMachine.TestCase


def test_the_end_of_an_assignment_ends_everything() -> None:
    """After closing nothing can be settled, nothing is held, and it is told once how many were in hand."""
    partition = make_partition()
    partition.fetched([Stored(10), Stored(11), Stored(12)])
    partition.take(2, 0)

    assert (partition.close(), partition.close()) == (2, 0)
    assert not partition.finish(10, 1)
    assert (partition.take(1, 0), partition.waiting, partition.in_hand) == ([], 0, 0)


def test_attempts_are_remembered_when_what_is_not_in_hand_is_forgotten() -> None:
    """What was given back and is forgotten, because the partition goes, keeps its count for the next owner."""
    partition = make_partition()
    partition.fetched([Stored(10), Stored(11), Stored(12)])
    partition.take(3, 0)
    partition.give_back(10, 1)
    partition.give_back(11, 1, due=9)
    partition.forget()

    assert partition.attempts() == {10: 1, 11: 1, 12: 1}
    assert (partition.resume, partition.waiting, partition.size) == (10, 0, 0)


def test_attempts_of_earlier_assignments_count_on() -> None:
    """A record that earlier owners delivered twice is delivered the third time; where to resume is not moved by it."""
    partition = make_partition(attempts={12: 2})

    assert (partition.resume, partition.attempts()) == (10, {12: 2})
    partition.fetched([Stored(10), Stored(12)])
    assert partition.take(5, 0) == [(Stored(10), 1), (Stored(12), 3)]


@pytest.mark.parametrize(("due", "now", "handed"), [(5.0, 4.9, False), (5.0, 5.0, True), (None, 0.0, True)])
def test_records_with_a_past(due: float | None, now: float, *, handed: bool) -> None:
    """A record that brings a due time along waits for it, never less, and counts the attempts it brings."""
    partition = make_partition(past=lambda record: Past(3, due))  # noqa: ARG005 - all have the same
    partition.fetched([Stored(10)])

    assert partition.take(1, now) == ([(Stored(10), 4)] if handed else [])
    assert partition.due == (None if handed else due)
    assert partition.take(1, 99) == ([] if handed else [(Stored(10), 4)])
