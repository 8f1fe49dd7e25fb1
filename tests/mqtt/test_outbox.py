"""Messages on their way out: order over connections, bounds, withdrawal, and the one that makes a broker hang up."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spa_mqtt.outbox import Entry, Outbox

if TYPE_CHECKING:
    from spa_core.errors import SpaError


class Post(RuleBasedStateMachine):
    """Publishes, confirms, withdraws and loses connections at random; the broker keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(limit=1000, window=5)
        self.names = itertools.count()
        self.mids = itertools.count(1)
        self.open: dict[str, Entry] = {}
        self.under_way: dict[int, str] = {}
        self.seen: list[str] = []
        self.confirmed: list[str] = []
        self.progress = True

    @rule()
    def publish(self) -> None:
        """Publish one more."""
        name = f"{next(self.names):06d}"
        entry = Entry(name, lambda _mid, _dup: b"", lambda ending: self._ended(name, ending))
        self.open[name] = entry
        self.outbox.add(entry)
        self._send()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """Let the broker confirm any message that is under way."""
        mid = data.draw(st.sampled_from(sorted(self.under_way)))
        del self.under_way[mid]
        entry = self.outbox.confirmed(mid)
        if entry is not None:
            entry.on_end(0)
        self.progress = True
        self._send()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Cancel a publish."""
        name = data.draw(st.sampled_from(sorted(self.open)))
        self.outbox.withdraw(self.open.pop(name))
        self._send()

    @precondition(lambda self: self.progress)
    @rule()
    def lose_the_connection(self) -> None:
        """End the connection after some progress, so that nobody is to blame, and make another."""
        self.progress = False
        self.under_way.clear()

        assert self.outbox.connection_lost() is None
        before = len(self.seen)
        self._send()

        again = self.seen[before:]
        assert again == sorted(again)

    @invariant()
    def counts_what_is_open(self) -> None:
        """As many are held as wait for their end, beside those that were withdrawn too late."""
        too_late = sum(name not in self.open for name in self.under_way.values())

        assert len(self.outbox) == len(self.open) + too_late

    def _send(self) -> None:
        while (entry := self.outbox.next()) is not None:
            mid = entry.mid or next(self.mids)
            self.outbox.sent(entry, mid)

            assert entry.topic in self.open, "what was withdrawn before it was sent is not sent"
            assert mid not in self.under_way
            self.under_way[mid] = entry.topic
            self.seen.append(entry.topic)

    def _ended(self, name: str, ending: int | SpaError) -> None:
        assert ending == 0
        del self.open[name]
        self.confirmed.append(name)


TestPost = Post.TestCase


def _entry(name: str) -> Entry:
    return Entry(name, lambda _mid, _dup: name.encode(), lambda _ending: None)


def _send_all(outbox: Outbox, mids: itertools.count[int]) -> list[str]:
    sent: list[str] = []
    while (entry := outbox.next()) is not None:
        outbox.sent(entry, entry.mid or next(mids))
        sent.append(entry.topic)
    return sent


@given(st.integers(1, 10), st.integers(0, 30))
def test_no_more_than_the_window_is_under_way(window: int, count: int) -> None:
    """Only as many messages as the window allows are sent before one is confirmed, in the order of publishing."""
    outbox, mids = Outbox(limit=100, window=window), itertools.count(1)
    names = [f"{number}" for number in range(count)]
    for name in names:
        outbox.add(_entry(name))

    assert _send_all(outbox, mids) == names[:window]
    assert len(outbox) == count


def test_what_is_sent_again_keeps_its_identifier() -> None:
    """A message that was under way has the same identifier on the next connection, so that the broker can know it."""
    outbox, mids = Outbox(limit=100, window=5), itertools.count(1)
    for name in ("a", "b", "c"):
        outbox.add(_entry(name))
    _send_all(outbox, mids)
    assert outbox.confirmed(2) is not None
    outbox.connection_lost()
    outbox.add(_entry("d"))

    again = outbox.next()
    assert again is not None
    assert (again.topic, again.mid) == ("a", 1)
    assert outbox.is_taken(3)
    assert not outbox.is_taken(2)


def test_one_that_makes_the_broker_hang_up_is_found() -> None:
    """When every connection ends on the same message, it is given up after some, and those behind it are sent."""
    outbox, mids = Outbox(limit=100, window=5), itertools.count(1)
    for name in ("fine", "poison", "behind"):
        outbox.add(_entry(name))
    _send_all(outbox, mids)
    outbox.confirmed(1)
    blamed: list[str] = []
    for _ in range(20):
        culprit = outbox.connection_lost()
        if culprit is not None:
            blamed.append(culprit.topic)
            break
        _send_all(outbox, mids)
    sent = _send_all(outbox, mids)

    assert blamed == ["poison"]
    assert sent == ["behind"]


def test_a_full_outbox_has_room_again() -> None:
    """An outbox is full at its limit, and no longer when a message is confirmed or withdrawn."""
    outbox, mids = Outbox(limit=2, window=1), itertools.count(1)
    first, second = _entry("1"), _entry("2")
    outbox.add(first)
    outbox.add(second)
    _send_all(outbox, mids)
    assert outbox.is_full

    outbox.withdraw(second)
    assert not outbox.is_full
    outbox.add(_entry("3"))
    assert outbox.is_full
    outbox.confirmed(1)
    assert not outbox.is_full


def test_closing_hands_everything_out_that_is_not_confirmed() -> None:
    """Whoever waits when an outbox is closed can be told: everything comes out, in order, but what was withdrawn."""
    outbox, mids = Outbox(limit=10, window=1), itertools.count(1)
    entries = [_entry(name) for name in ("1", "2", "3")]
    for entry in entries:
        outbox.add(entry)
    _send_all(outbox, mids)
    outbox.withdraw(entries[1])

    assert [entry.topic for entry in outbox.close()] == ["1", "3"]
    assert len(outbox) == 0
