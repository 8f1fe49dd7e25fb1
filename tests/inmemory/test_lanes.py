"""Which member has a key, and what waits behind it."""

from __future__ import annotations

from spa_core import SpaMessage
from spa_inmemory.backlog import Entry
from spa_inmemory.lanes import KeyLanes
from spa_inmemory.members import Member, MemoryDelivery


def member() -> Member:
    """Return a member; its queue does not matter here."""
    return Member(None, 100)  # type: ignore[arg-type]


def entry(place: int, key: str | None = "k") -> Entry:
    """Return an entry."""
    return Entry(place, 1, SpaMessage(topic="t", key=key))  # type: ignore[arg-type]  # a str is stored as bytes


def test_key_belongs_to_one_member() -> None:
    """A key in flight is refused to others, given to its owner, and free once all its messages are released."""
    lanes, ann, bob = KeyLanes(), member(), member()

    assert lanes.claim(b"k", ann)
    assert lanes.claim(b"k", ann)
    assert not lanes.claim(b"k", bob)
    assert lanes.claim(b"other", bob)
    lanes.release(b"k")
    assert not lanes.claim(b"k", bob)
    lanes.release(b"k")
    assert lanes.claim(b"k", bob)


def test_no_key() -> None:
    """Messages without a key go to anybody, are never parked, and release nothing."""
    lanes, ann, bob = KeyLanes(), member(), member()

    assert lanes.claim(None, ann)
    assert lanes.claim(None, bob)
    assert lanes.park(entry(0, None)) is None
    assert list(lanes.release(None)) == []


def test_parked_for_the_owner() -> None:
    """What is parked behind a key is for its owner, first come first, and for nobody else."""
    lanes, ann, bob = KeyLanes(), member(), member()
    lanes.claim(b"k", ann)
    lanes.claim(b"l", ann)

    assert [lanes.park(entry(place)) for place in (5, 3)] == [ann, ann]
    assert lanes.park(entry(4, "l")) is ann
    assert lanes.next_parked(bob) is None
    assert [parked.place for parked in lanes.parked()] == [3, 5, 4]
    assert [parked.place for parked in iter(lambda: lanes.next_parked(ann), None)] == [3, 5, 4]
    assert list(lanes.parked()) == []


def test_freed_with_the_key() -> None:
    """What is still parked when the key becomes free is returned for all, once, in order of its place."""
    lanes, ann = KeyLanes(), member()
    lanes.claim(b"k", ann)
    for place in (7, 2):
        lanes.park(entry(place))
    freed = lanes.release(b"k")

    assert sorted(parked.place for parked in freed) == [2, 7]
    assert lanes.next_parked(ann) is None
    assert lanes.park(entry(9)) is None


def test_lanes_of_what_is_in_flight_already() -> None:
    """Lanes made late know what is in flight."""
    ann, bob = member(), member()
    message = entry(0).message
    lanes = KeyLanes([MemoryDelivery(message, 1, redelivered=False, native=ann, place=0)])

    assert not lanes.claim(b"k", bob)
    lanes.release(b"k")
    assert lanes.claim(b"k", bob)
