"""The trie: many filters, one walk."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from spa_core.errors import TopicError
from spa_core.topics import TopicTrie, matches

LEVEL = st.sampled_from(["", "a", "b", "$a"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = (
    st.lists(LEVEL | st.just("+"), min_size=1, max_size=3)
    .flatmap(lambda levels: st.sampled_from([levels, [*levels, "#"], ["#"]]))
    .map("/".join)
    .filter(bool)
)
PAIR = st.tuples(FILTER, st.integers(0, 4))
# Unchecked topics can contain anything; the walk must cope.
ANY_TOPIC = TOPIC | st.lists(st.sampled_from(["+", "#", "a", "$a"]), max_size=5).map("/".join)


def naive(pairs: list[tuple[str, int]], topic: str) -> list[int]:
    """Ask every filter in turn."""
    return list(dict.fromkeys(value for topic_filter, value in pairs if matches(topic_filter, topic)))


def filled(pairs: list[tuple[str, int]]) -> TopicTrie[int]:
    """Return a trie with all *pairs*."""
    trie = TopicTrie[int]()
    for topic_filter, value in pairs:
        trie.add(topic_filter, value)
    return trie


@given(pairs=st.lists(PAIR, max_size=12), topics=st.lists(ANY_TOPIC, min_size=1, max_size=4))
def test_the_trie_equals_asking_every_filter(pairs: list[tuple[str, int]], topics: list[str]) -> None:
    """The trie finds what ``matches`` finds filter by filter, in the order of filing, each value once."""
    trie = filled(pairs)

    assert len(trie) == len(set(pairs))
    for topic in topics:
        assert trie.match(topic) == naive(pairs, topic)
        assert trie.match(topic) == naive(pairs, topic)


@given(pairs=st.lists(PAIR, max_size=12), data=st.data())
def test_removing_everything_leaves_nothing(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    """After as many removals as additions, in any order, the trie is empty, its nodes included."""
    trie = filled(pairs)

    removed = [trie.remove(*pair) for pair in data.draw(st.permutations(pairs))]

    assert removed.count(True) == len(set(pairs))
    assert len(trie) == 0
    assert not trie
    assert not trie._root.children


class TrieAgainstList(RuleBasedStateMachine):
    """Any sequence of additions, removals and look-ups, beside a plain list of pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.trie = TopicTrie[int]()
        self.pairs: list[tuple[str, int]] = []

    @rule(pair=PAIR)
    def add(self, pair: tuple[str, int]) -> None:
        """File a pair, perhaps again."""
        self.trie.add(*pair)
        if pair not in self.pairs:
            self.pairs.append(pair)

    @rule(pair=PAIR)
    def remove(self, pair: tuple[str, int]) -> None:
        """Take a pair out, there or not."""
        known = pair in self.pairs

        assert self.trie.remove(*pair) == known
        if known:
            self.pairs.remove(pair)

    @rule(topic=TOPIC)
    def match(self, topic: str) -> None:
        """Find what the list finds."""
        assert self.trie.match(topic) == naive(self.pairs, topic)

    @invariant()
    def counts(self) -> None:
        """Count what the list counts."""
        assert len(self.trie) == len(self.pairs)
        assert bool(self.trie) == bool(self.pairs)


TestTrieAgainstList = TrieAgainstList.TestCase


def test_values_come_in_the_order_of_filing() -> None:
    """Neither the kind of the filter nor the depth of its node decides the order, only the time of filing."""
    trie = TopicTrie[str]()
    for topic_filter, value in [
        ("#", "first"),
        ("a/b", "second"),
        ("+/b", "third"),
        ("a/#", "second"),
        ("a/+", "last"),
    ]:
        trie.add(topic_filter, value)

    assert trie.match("a/b") == ["first", "second", "third", "last"]


def test_a_value_filed_again_keeps_its_place() -> None:
    """Filing a pair twice is filing it once; removing and filing it again moves it to the end."""
    trie = TopicTrie[str]()
    trie.add("a", "x")
    trie.add("a", "y")
    trie.add("a", "x")

    assert trie.match("a") == ["x", "y"]
    assert len(trie) == 2

    trie.remove("a", "x")
    trie.add("a", "x")

    assert trie.match("a") == ["y", "x"]


@pytest.mark.parametrize(
    ("topic_filter", "value"), [("a/b", "y"), ("a", "x"), ("a/b/c", "x"), ("b", "x"), ("a/+", "x"), ("a#", "x")]
)
def test_removing_what_is_not_there_changes_nothing(topic_filter: str, value: str) -> None:
    """Removing an unknown value, filter or even an invalid filter says so and nothing else."""
    trie = TopicTrie[str]()
    trie.add("a/b", "x")

    assert not trie.remove(topic_filter, value)
    assert trie.match("a/b") == ["x"]


@pytest.mark.parametrize("topic_filter", ["", "a#", "a/#/b", "$share/g/t"])
def test_invalid_filters_are_refused(topic_filter: str) -> None:
    """Nothing is filed under an invalid filter."""
    trie = TopicTrie[str]()

    with pytest.raises(TopicError):
        trie.add(topic_filter, "x")

    assert not trie


def test_the_list_is_the_callers_own() -> None:
    """What a caller does with the list of matches does not show in the next one."""
    trie = TopicTrie[str]()
    trie.add("a", "x")
    trie.match("a").clear()
    trie.match("a").append("y")

    assert trie.match("a") == ["x"]


def test_two_hundred_levels_of_wildcards_are_walked() -> None:
    """The deepest filters match without recursion, and a topic of wildcards does not multiply the paths."""
    trie = TopicTrie[str]()
    trie.add("/".join("+" * 200), "plus")
    trie.add("/".join(["+"] * 199 + ["#"]), "hash")
    trie.add("/".join("a" * 200), "exact")

    assert trie.match("/".join("a" * 200)) == ["plus", "hash", "exact"]
    assert trie.match("/".join("+" * 200)) == ["plus", "hash"]


def test_many_different_topics_match_as_well_as_few() -> None:
    """A flood of topics beyond what is remembered finds its values all the same."""
    trie = TopicTrie[str]()
    trie.add("replies/+", "x")

    assert all(trie.match(f"replies/{number}") == ["x"] for number in range(3000))
    assert len(trie._remembered) <= 1024


def test_removed_values_are_let_go() -> None:
    """The trie keeps no reference to a value that was removed, matched before or not."""

    class Value:
        pass

    value = Value()
    trie = TopicTrie[Value]()
    trie.add("a", value)
    assert trie.match("a") == [value]
    trie.remove("a", value)
    gone = weakref.ref(value)
    del value
    gc.collect()

    assert gone() is None
