"""What is retained, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_core.errors import QueueFullError
from spa_inmemory.retained import RetainedMessages

if TYPE_CHECKING:
    from unittest.mock import Mock


def retained(topic: str, payload: str) -> SpaMessage:
    """Return a message to be retained."""
    return SpaMessage(topic=topic, payload=payload, retain=True)  # type: ignore[arg-type]  # a str is stored as bytes


def payloads(messages: RetainedMessages, *filters: str) -> list[str]:
    """Return the payloads of the matching messages."""
    return [message.payload.decode() for message, _ in messages.matching(filters)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]))))
def test_last_of_each_topic(changes: list[tuple[str, str]]) -> None:
    """The last message of each topic is kept, in the order of publishing, unless it is empty."""
    messages = RetainedMessages("memory://", float)
    model: dict[str, str] = {}
    for topic, payload in changes:
        live = messages.keep(retained(topic, payload), None, limit=3)
        model.pop(topic, None)
        if payload:
            model[topic] = payload

        assert (live.retain, live.topic, live.payload) == (False, topic, payload.encode())
    assert payloads(messages, "#") == list(model.values())
    assert len(messages) == len(model)
    assert all(message.retain for message, _ in messages.matching(["+"]))


def test_matching() -> None:
    """Each message comes once, however many filters match, and only if one does."""
    messages = RetainedMessages("memory://", float)
    for topic in ("a", "a/b", "$x"):
        messages.keep(retained(topic, topic), None, limit=9)

    assert payloads(messages, "a/#", "#", "a") == ["a", "a/b"]
    assert payloads(messages, "a/+") == ["a/b"]
    assert payloads(messages, "nothing") == []


def test_limit(clock: Mock) -> None:
    """One topic more than allowed is refused, with its way out; known topics and expired ones leave room."""
    messages = RetainedMessages("memory://plant", clock)
    messages.keep(retained("a", "1"), None, limit=2)
    messages.keep(retained("b", "1"), clock.return_value + 1, limit=2)
    messages.keep(retained("a", "2"), None, limit=2)
    messages.keep(retained("c", ""), None, limit=2)

    with pytest.raises(QueueFullError, match=r"retained messages of memory://plant are full \(limit 2") as caught:
        messages.keep(retained("c", "1"), None, limit=2)
    assert (caught.value.topic, caught.value.limit) == ("c", 2)
    assert caught.value.hint
    clock.return_value += 1
    assert payloads(messages, "#") == ["2"]
    messages.keep(retained("d", "1"), clock.return_value + 1, limit=2)
    clock.return_value += 1
    messages.keep(retained("c", "1"), None, limit=2)
    assert payloads(messages, "#") == ["2", "1"]
