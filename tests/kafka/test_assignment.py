"""What a consumer has and may commit, how attempts travel, and which record is stuck: pure bookkeeping."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from spa_kafka.assignment import Assignment
from spa_kafka.attempts import read_attempts, write_attempts
from spa_kafka.partitions import Partition
from spa_kafka.stuck import StuckWatch


class Stored(NamedTuple):
    """A record as far as a partition looks at it."""

    offset: int
    key: bytes | None = None
    value: bytes | None = b"value"


def make_assignment(*sizes: int) -> Assignment[Stored]:
    """Make an assignment of partitions of one topic, with so many records each."""
    assignment: Assignment[Stored] = Assignment()
    for number, size in enumerate(sizes):
        partition: Partition[Stored] = Partition(1, 0)
        partition.fetched([Stored(offset) for offset in range(size)])
        assignment.partitions["topic", number] = partition
    return assignment


def test_partitions_take_turns() -> None:
    """A partition with much in it does not keep the others from being heard."""
    assignment = make_assignment(100, 1, 1)
    taken = [[partition for partition, _, _ in assignment.take(2, 0)] for _ in range(3)]
    seen = {id(partition) for batch in taken for partition in batch}

    assert len(seen) == 3
    assert [len(batch) for batch in taken] == [2, 2, 2]


def test_nothing_is_handed_out_after_a_stop() -> None:
    """After a stop nothing is handed out, what is in hand can be settled, and what was not is not committed."""
    assignment = make_assignment(3)
    [(partition, record, attempt)] = list(assignment.take(1, 0))
    assignment.stop()

    assert list(assignment.take(9, 0)) == []
    assert partition.finish(record.offset, attempt)
    assert assignment.committable() == {("topic", 0): (1, "")}


def test_last_words_name_what_was_given_up() -> None:
    """What is in hand when partitions go is not committed, and the next owner learns how often it was delivered."""
    assignment = make_assignment(3, 2)
    handed = list(assignment.take(9, 0))
    for partition, record, attempt in handed:
        if partition is assignment.partitions["topic", 0] and record.offset != 1:
            partition.finish(record.offset, attempt)
    words = assignment.last_words()

    assert words == {("topic", 0): (1, "spa-attempts:0=1"), ("topic", 1): (0, "spa-attempts:0=1,1=1")}
    assert assignment.close() == 3


@given(st.dictionaries(st.integers(0, 10_000), st.integers(1, 1000), max_size=40), st.integers(0, 5000))
def test_attempts_come_back_as_they_were(attempts: dict[int, int], offset: int) -> None:
    """Attempts of offsets from the committed one on are read as they were written."""
    wanted = {each: made for each, made in attempts.items() if each >= offset}

    assert read_attempts(write_attempts(attempts, offset), offset) == wanted


def test_attempts_stay_below_the_brokers_limit() -> None:
    """However many there are, the text stays below what brokers take, and holds the lowest offsets."""
    attempts = dict.fromkeys(range(5000), 7)
    text = write_attempts(attempts, 0)

    assert len(text) < 4096
    assert read_attempts(text, 0) == dict.fromkeys(range(len(read_attempts(text, 0))), 7) != {}


@given(st.text(max_size=50))
def test_texts_of_others_say_nothing(text: str) -> None:
    """What another program wrote beside an offset is no attempt, and no error."""
    assert read_attempts(text, 3) == {} or text.startswith("spa-attempts:")
    assert isinstance(read_attempts("spa-attempts:" + text, 3), dict)


def test_a_stuck_record_is_told_once() -> None:
    """A record that stays unsettled is told once, after its time; the next one behind it has a time of its own."""
    watch = StuckWatch(10)
    assignment = make_assignment(2)
    handed = list(assignment.take(2, 0))
    told = [list(watch.look(assignment.partitions, now)) for now in (0, 9, 10, 99)]
    partition, record, attempt = handed[0]
    partition.finish(record.offset, attempt)
    told += [list(watch.look(assignment.partitions, now)) for now in (100, 109, 110, 200)]

    assert told == [[], [], [(("topic", 0), 0, 10)], [], [], [], [(("topic", 0), 1, 10)], []]
    assert list(watch.look({}, 300)) == []
