"""What patterns select: the rules of MQTT on every transport that declares wildcards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spa_core.errors import TopicError, TransportError
from spa_core.testing.scenario import scenario
from spa_core.topics import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core.testing.kit import Kit

__all__ = ["Wildcards"]

_NAMES = ("north", "South", "a-b", "7", "")


class Wildcards:
    """Scenarios about subscriptions to patterns."""

    @scenario("wildcards")
    async def test_plus_is_exactly_one_level(self, kit: Kit) -> None:
        """``+`` stands for exactly one level, an empty one included, in the middle of a pattern as at its end."""
        root = kit.topic()
        yes = [f"{root}/north/flow", f"{root}/7/flow", f"{root}//flow"]
        no = [f"{root}/flow", f"{root}/north/deep/flow", f"{root}/north/level", f"{root}/north/flow/rate", root]
        await _prove_selection(kit, f"{root}/+/flow", yes, no)
        root = kit.topic()
        yes = [f"{root}/north/flow", f"{root}/north/level", f"{root}/north/"]
        no = [f"{root}/north", f"{root}/north/flow/rate", f"{root}/south/flow"]
        await _prove_selection(kit, f"{root}/north/+", yes, no)

    @scenario("wildcards")
    async def test_hash_is_the_rest_and_its_parent(self, kit: Kit) -> None:
        """``#`` stands for any number of levels, none included, so that the topic above it is selected too."""
        root = kit.topic()
        yes = [f"{root}/plant", f"{root}/plant/", f"{root}/plant/north", f"{root}/plant/north/flow/rate"]
        no = [root, f"{root}/plants", f"{root}/plan", f"{root}/Plant/north", f"{root}/other/plant"]
        await _prove_selection(kit, f"{root}/plant/#", yes, no)

    @scenario("wildcards")
    async def test_patterns_select_what_the_rules_say(self, kit: Kit) -> None:
        """For random patterns and topics a transport selects exactly what ``spa_core.topics.matches`` says."""
        root = kit.topic()
        topics = sorted({"/".join([root, *_levels(kit, _NAMES)]) for _ in range(16)})
        for _ in range(8):
            hash_too = ["#"] if kit.random.random() < 1 / 3 else []
            pattern = "/".join([root, *_levels(kit, ("north", "a-b", "+", "+")), *hash_too])
            yes = [topic for topic in topics if matches(pattern, topic)]
            await _prove_selection(kit, pattern, yes, [topic for topic in topics if topic not in yes])

    @scenario("wildcards")
    async def test_patterns_may_begin_with_a_wildcard(self, kit: Kit) -> None:
        """``+`` as the first level, and ``#`` alone, select topics whatever they begin with."""
        name = kit.unique("level")
        topics = [kit.topic(name), kit.topic(name, "deeper"), kit.topic("other")]
        payloads = sorted(topic.encode() for topic in topics)
        async with kit.socket() as socket, kit.subscribed(socket, "#") as everything:
            async with kit.subscribed(socket, f"+/{name}/#") as subscription:
                for topic in topics:
                    await kit.publish(socket, topic, topic.encode())
                received = await kit.take(subscription, 2)
                await kit.assert_silent(subscription, socket, topics[0])
            # Others may use this broker too, so more than ours may be in it; and topics have no order among them.
            seen = [delivery.message.payload for _, delivery in await kit.share([everything], payloads)]
        assert sorted(message.topic for message in received) == sorted(topics[:2])
        assert sorted(payload for payload in seen if payload in payloads) == payloads

    @scenario("wildcards")
    async def test_dollar_topics_are_hidden_from_leading_wildcards(self, kit: Kit) -> None:
        """A topic that begins with ``$`` is not selected by a leading wildcard, only by a pattern that names it."""
        topic = f"${kit.topic('flow')}"
        try:
            received, seen = await _seen_beside(kit, topic)
        except TopicError as refusal:
            pytest.skip(f"this transport has no such topics: {refusal.reason}")  # the topic differs from run to run
        assert received == topic
        assert topic not in seen

    @scenario("wildcards")
    async def test_a_topic_may_come_after_the_pattern(self, kit: Kit) -> None:
        """The first message of a topic that nobody had used when the pattern was subscribed to arrives."""
        root = kit.topic()
        async with kit.socket() as socket, kit.subscribed(socket, f"{root}/#") as subscription:
            for number in range(3):
                await kit.publish(socket, f"{root}/new/{number}", b"first")
                [message] = await kit.take(subscription)
                assert (message.topic, message.payload) == (f"{root}/new/{number}", b"first")

    @scenario("wildcards")
    async def test_overlapping_patterns_deliver_once(self, kit: Kit) -> None:
        """A message that matches several topics and patterns of one subscription is delivered once."""
        root = kit.topic()
        topic = f"{root}/north/flow"
        patterns = (topic, f"{root}/+/flow", f"{root}/north/#", f"{root}/#")
        async with kit.socket() as socket, kit.subscribed(socket, *patterns) as subscription:
            await kit.publish(socket, topic, b"all patterns")
            await kit.publish(socket, f"{root}/south/flow", b"two patterns")
            received = await kit.take(subscription, 2)
            await kit.assert_silent(subscription, socket, topic)
        assert sorted(message.payload for message in received) == [b"all patterns", b"two patterns"]

    @scenario("wildcards", "fanout")
    async def test_overlapping_subscriptions_get_a_copy_each(self, kit: Kit) -> None:
        """Subscriptions of one socket whose patterns overlap each get the message, also after another one was left."""
        root = kit.topic()
        topic = f"{root}/north/flow"
        async with kit.socket() as socket, kit.subscribed(socket, topic) as exact:
            async with kit.subscribed(socket, f"{root}/#") as rest:
                async with kit.subscribed(socket, f"{root}/+/flow") as one:
                    await kit.publish(socket, topic, b"to three")
                    three = [(await kit.take(each))[0].payload for each in (exact, rest, one)]
                await kit.publish(socket, topic, b"to two")
                two = [(await kit.take(each))[0].payload for each in (exact, rest)]
            await kit.assert_silent(exact, socket, topic)
        assert three == [b"to three"] * 3
        assert two == [b"to two"] * 2

    @scenario("wildcards", "groups")
    async def test_a_group_shares_a_pattern(self, kit: Kit) -> None:
        """Members of a group on a pattern get each message of all its topics once between them."""
        root, group = kit.topic(), kit.unique("group")
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, f"{root}/#", group=group) as first,
            kit.subscribed(socket, f"{root}/#", group=group) as second,
        ):
            topics = [f"{root}/{number % 4}/{number}" for number in range(20)]
            for topic in topics:
                await kit.publish(socket, topic, topic.encode())
            taken = await kit.share([first, second], [topic.encode() for topic in topics])
        assert sorted(delivery.message.topic for _, delivery in taken) == sorted(topics)

    @scenario()
    async def test_an_invalid_filter_is_refused(self, kit: Kit) -> None:
        """A filter that breaks the rules is refused with ``TopicError`` before the broker sees it."""
        root = kit.topic()
        async with kit.spa_socket() as socket:
            for invalid in (f"{root}/#/flow", f"{root}/flow#", f"{root}/+flow", f"$share/group/{root}", ""):
                with pytest.raises(TopicError):
                    await socket.subscribe(invalid)
            await socket.subscribe(root, group=kit.own_group())
            await socket.publish(root, b"still usable")
            message = await anext(aiter(socket))
        assert message.payload == b"still usable"


def _levels(kit: Kit, names: Sequence[str]) -> list[str]:
    return kit.random.choices(names, k=kit.random.randint(1, 3))


async def _prove_selection(kit: Kit, pattern: str, yes: Sequence[str], no: Sequence[str]) -> None:
    """Publish to all topics, and let *pattern* get those of *yes*, once each."""
    fence = pattern.replace("+", "fence").removesuffix("/#")
    async with (
        kit.socket() as socket,
        kit.subscribed(socket, *yes, *no) as witness,
        kit.subscribed(socket, pattern) as subscription,
    ):
        for topic in (*yes, *no):
            await kit.publish(socket, topic, topic.encode())
        # Once all have arrived where they belong, they would have arrived where they do not.
        await kit.take(witness, len(yes) + len(no))
        received = await kit.take(subscription, len(yes))
        await kit.assert_silent(subscription, socket, fence)
    assert sorted(message.topic for message in received) == sorted(yes)
    assert all(message.payload == message.topic.encode() for message in received)


async def _seen_beside(kit: Kit, topic: str) -> tuple[str, list[str]]:
    """Publish to *topic*; return the topic that a pattern naming it gets, and those that leading wildcards get."""
    fence = kit.topic("flow")
    async with (
        kit.socket() as socket,
        kit.subscribed(socket, f"{topic.partition('/')[0]}/+") as named,
        kit.subscribed(socket, "#", "+/flow") as hidden,
    ):
        try:
            await kit.publish(socket, topic, b"internal")
        except TransportError as error:
            pytest.skip(f"this transport has no such topics: {error}")
        [message] = await kit.take(named)
        seen = [delivery.message.topic for delivery in await kit.until_silent(hidden, socket, fence)]
    return message.topic, seen
