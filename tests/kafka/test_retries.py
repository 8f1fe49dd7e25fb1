"""How records wait for their next attempt: written with all they are, and read as they were."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_kafka.retries import Original, postponed, restored, waiting_place
from spa_kafka.topics import retry_delay


class Fetched(NamedTuple):
    """A record as the driver hands it out."""

    topic: str
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int = 0
    timestamp_type: int = 0


records = st.builds(
    Fetched,
    topic=st.sampled_from(["plants.flow", "orders"]),
    offset=st.integers(0, 2**40),
    timestamp=st.integers(-1, 2**42),
    key=st.none() | st.binary(max_size=10),
    value=st.none() | st.binary(max_size=10),
    headers=st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=4),
)


@given(records, st.integers(1, 100), st.integers(0, 2**42))
def test_a_record_comes_back_as_it_was(record: Fetched, attempts: int, due: int) -> None:
    """Key, value, headers, topic and timestamp come back, however often the record waits; attempts and due time too."""
    current: Fetched | Original = record
    for _ in range(2):
        waiting = postponed(
            current, "place", origin="plants.flow/0/7", group="g-1", attempts=attempts, due=due, now=1_700_000_000_000
        )
        fetched = Fetched("place", 3, waiting.timestamp, waiting.key, waiting.value, list(waiting.headers))
        original = restored(fetched)
        assert original is not None
        current = original

    assert (waiting.topic, waiting.timestamp) == ("place", 1_700_000_000_000)
    assert original == Original(
        record.topic, 3, record.timestamp, record.key, record.value, record.headers, "g-1", attempts, due
    )


@pytest.mark.parametrize(
    "headers",
    [[], [("spa-retry-topic", b"orders")], [("spa-retry-due", b"soon")], [("spa-retry-attempts", b"\xff")]],
)
def test_what_others_wrote_is_no_record_that_waits(headers: list[tuple[str, bytes]]) -> None:
    """A record that somebody else wrote to such a topic is told from those that wait."""
    whole = postponed(
        Fetched("orders", 1, 5, None, b"", []), "place", origin="orders/0/1", group="g", attempts=1, due=9, now=5
    )
    damaged = [*(header for header in whole.headers if header[0] not in dict(headers)), *headers] if headers else []
    if headers == [("spa-retry-topic", b"orders")]:
        damaged = headers

    assert restored(Fetched("place", 1, 5, None, b"", damaged)) is None


@given(st.floats(0, 10**7))
def test_topics_for_waiting_are_few(delay: float) -> None:
    """Each delay has one of nine topics, named by at least the delay where there is one so long."""
    place = waiting_place("orders", "g", delay)
    step = retry_delay(place)

    assert step in {1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400}
    assert step >= min(delay, 86_400)
