"""What waits and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_inmemory.backlog import Backlog, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from unittest.mock import Mock


def message(number: int) -> SpaMessage:
    """Return a message told apart by its payload."""
    return SpaMessage(topic="t", payload=str(number))


def filled(clock: Mock, messages: Sequence[SpaMessage]) -> Backlog:
    """Return a backlog with *messages*."""
    backlog = Backlog(clock)
    for each in messages:
        backlog.put(each, None)
    return backlog


def give_back(backlog: Backlog, entry: Entry) -> None:
    """Put an entry back as one more attempt."""
    backlog.held += 1
    backlog.put_back(Entry(entry.place, entry.attempt + 1, entry.message))


@given(st.integers(0, 30), st.lists(st.integers(0, 29), unique=True))
def test_order(count: int, returned: list[int]) -> None:
    """Whatever comes back in whatever order is taken before what was never taken, and all in the original order."""
    messages = [message(number) for number in range(count)]
    backlog = filled(float, messages)
    taken = [entry for _ in range(count // 2) if (entry := backlog.take())]
    again = [taken[index] for index in returned if index < len(taken)]
    for entry in again:
        give_back(backlog, entry)

    assert len(backlog) == backlog.ready == count - len(taken) + len(again)
    rest = [entry for _ in range(len(backlog)) if (entry := backlog.take())]
    assert [entry.place for entry in rest] == sorted([*(entry.place for entry in again), *range(count // 2, count)])
    assert all(entry.message is messages[entry.place] for entry in rest)
    assert {entry.place for entry in rest if entry.attempt == 2} == {entry.place for entry in again}
    assert backlog.take() is None
    assert len(backlog) == 0


def test_delay(clock: Mock) -> None:
    """A delayed entry waits, is not ready, and is due neither early nor before those that are due earlier."""
    backlog = filled(clock, [message(0), message(1)])
    first, second = backlog.take(), backlog.take()
    assert first
    assert second
    backlog.held += 2

    assert backlog.delay(first, 2.0)
    assert backlog.delay(second, 1.0)
    assert not backlog.delay(first, 3.0)
    assert (len(backlog), backlog.ready) == (2, 0)
    assert backlog.next_due == clock.return_value + 1.0
    assert list(backlog.pop_due()) == []
    clock.return_value += 2.0
    assert list(backlog.pop_due()) == [second, first]
    assert backlog.next_due == clock.return_value + 1.0


def test_expiry(clock: Mock) -> None:
    """A message expires at its deadline, is counted once, and others do not expire."""
    backlog = Backlog(clock)
    backlog.put(message(0), clock.return_value + 1)
    backlog.put(message(1), None)
    entry, other = backlog.take(), backlog.take()
    assert entry
    assert other

    assert not backlog.drop_expired(entry)
    clock.return_value += 1
    assert backlog.drop_expired(entry)
    assert not backlog.drop_expired(other)
    assert backlog.expired == 1
    assert not backlog.deadlines


def test_plain(clock: Mock) -> None:
    """A backlog is plain while nothing came back and nothing expires."""
    backlog = filled(clock, [message(0)])

    assert backlog.is_plain
    backlog.put(message(1), clock.return_value + 1)
    assert not backlog.is_plain
    backlog.deadlines.clear()
    backlog.put_back(Entry(0, 2, message(2)))
    assert not backlog.is_plain


def test_clear(clock: Mock) -> None:
    """A cleared backlog has nothing left."""
    backlog = filled(clock, [message(0), message(1)])
    backlog.put(message(2), clock.return_value)
    entry = backlog.take()
    assert entry
    backlog.held += 1
    backlog.delay(entry, 1)
    backlog.clear()

    assert (len(backlog), backlog.ready, backlog.next_due, backlog.take()) == (0, 0, None, None)
