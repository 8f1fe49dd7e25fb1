"""Which queues a message goes to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_core.topics import matches
from spa_inmemory import routes as module
from spa_inmemory.queues import MessageQueue
from spa_inmemory.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

FILTERS = ("a", "a/b", "a/+", "a/#", "+", "#", "+/b", "$x/#", "a//b")
TOPICS = ("a", "a/b", "b", "a/b/c", "$x/b", "a//b", "")


def names(routes: Routes, topic: str, key: str | None = None) -> list[str]:
    """Return the names of the queues that a message goes to."""
    message = SpaMessage(topic=topic, key=key)  # type: ignore[arg-type]  # a str is stored as bytes
    return [queue.name for queue in routes.targets(message)]


@given(st.lists(st.tuples(st.sets(st.sampled_from(FILTERS), min_size=1), st.booleans()), max_size=6))
def test_every_queue_once(changes: list[tuple[set[str], bool]]) -> None:
    """A message goes once to every queue that any of its filters selects it for, as long as the queue is there."""
    routes = Routes()
    queues: dict[MessageQueue, set[str]] = {}
    for filters, leaves in changes:
        queue = MessageQueue(str(len(queues)), limit=1, clock=float)
        routes.add(filters, queue)
        queues[queue] = filters
        for topic in TOPICS:
            routes.targets(SpaMessage(topic=topic))
        if leaves:
            routes.remove(filters, queue)
            queues[queue] = set()

    for topic in TOPICS:
        expected = [queue.name for queue, filters in queues.items() if any(matches(each, topic) for each in filters)]
        assert Counter(names(routes, topic)) == Counter(expected)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, queue: MessageQueue) -> None:
    """Routes are remembered up to a number, and right beyond it."""
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    routes = Routes()
    routes.add(["a/+"], queue)

    for number in range(10):
        assert names(routes, f"a/{number}") == [queue.name]
    assert len(routes._remembered) <= 3


def test_one_queue_of_a_group(make_queue: Callable[..., MessageQueue]) -> None:
    """Of several queues of one group that are selected, each gets its turn; other queues get everything."""
    routes = Routes()
    queues = [make_queue(name) for name in ("one", "two", "alone", "other", "plain")]
    for queue, topic_filter, group in zip(
        queues, ("a/#", "a/+", "b", "a/b", "#"), ("g", "g", "g", "h", None), strict=True
    ):
        routes.add([topic_filter], queue, group=group)
        queue.join(1)
    targets = [names(routes, "a/b") for _ in range(4)]

    assert all(set(each) - {"one", "two"} == {"other", "plain"} for each in targets)
    assert [each[-1] for each in targets] == ["two", "one"] * 2
    assert sorted(names(routes, "b")) == ["alone", "plain"]


def test_one_key_one_queue(make_queue: Callable[..., MessageQueue]) -> None:
    """All messages of one key go to the same queue of a group, but keys to several."""
    routes = Routes()
    for name, topic_filter in (("one", "a/#"), ("two", "a/+")):
        queue = make_queue(name)
        routes.add([topic_filter], queue, group="g")
        queue.join(1)
    targets = {key: {names(routes, "a/b", key)[0] for _ in range(3)} for key in map(str, range(50))}

    assert all(len(queues) == 1 for queues in targets.values())
    assert set.union(*targets.values()) == {"one", "two"}


def test_queue_without_members(make_queue: Callable[..., MessageQueue]) -> None:
    """A queue of a group that nobody takes from is passed over while another one is served."""
    routes = Routes()
    one, two = make_queue("one"), make_queue("two")
    routes.add(["a"], one, group="g")
    routes.add(["#"], two, group="g")

    assert {*names(routes, "a"), *names(routes, "a")} == {"one", "two"}
    one.stop(one.join(1))
    two.join(1)
    assert [names(routes, "a") for _ in range(3)] == [["two"]] * 3
