"""
What is declared is true: it works if it is declared, and is declared if it works; what is not declared is refused.

Of a capability that works undeclared core would refuse the use, so that nobody could have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from spa_core import ConsumerApplication, SpaMessage
from spa_core.errors import CapabilityError
from spa_core.testing.parties import running
from spa_core.testing.probes import works
from spa_core.testing.scenario import missing_capability, scenario
from spa_core.testing.stand_ins import StandIn
from spa_core.transport import Capabilities

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spa_core import SpaSocket
    from spa_core.testing.kit import Kit

__all__ = ["Honesty"]


class Honesty:
    """Scenarios about what is declared."""

    @scenario()
    async def test_what_is_declared_is_sound(self, kit: Kit) -> None:
        """Capabilities are known before anything is opened, hold allowed values, and do not contradict each other."""
        declared = kit.capabilities
        assert msgspec.convert(msgspec.structs.asdict(declared), Capabilities) == declared
        assert kit.provider.overwrite_config(topics=["kit"], prefetch=7).capabilities == declared
        assert declared.max_payload is None or declared.max_payload > 0
        assert declared.groups or not declared.durable, "only groups can keep messages"
        assert declared.retry != "none" or not declared.retry_delay, "without a retry there is nothing to delay"
        assert declared.groups or declared.fanout, "nobody could subscribe"
        async with kit.socket():
            assert kit.provider.capabilities == declared

    @scenario()
    async def test_what_is_not_declared_is_refused_before_opening(self, kit: Kit) -> None:
        """An application that asks for undeclared groups, fan-out or wildcards fails before any socket is made."""
        asked: dict[str, tuple[str, str | None]] = {
            "groups": ("kit/a", "group"),
            "fanout": ("kit/a", None),
            "wildcards": ("kit/+", "group"),
        }
        for capability, (topic, group) in asked.items():
            others = {"groups": True, "fanout": True, "wildcards": "mqtt"}
            absent: object = "none" if capability == "wildcards" else False
            provider = _declaring(kit, **(others | {capability: absent}))
            application = ConsumerApplication(_handle, provider, topics=topic, group=group)
            with pytest.raises(CapabilityError) as caught:
                async with running(kit, application):
                    raise AssertionError(f"the application runs without {capability}")
            assert caught.value.capability == capability
            assert provider.opened == []

    @scenario()
    async def test_what_is_not_declared_never_reaches_the_transport(self, kit: Kit) -> None:
        """Messages, subscriptions and requests that need what is not declared are refused by core before any I/O."""
        provider = StandIn(kit.provider, Capabilities())
        async with kit.spa_socket(provider) as socket:
            for capability, call in _undeclared_calls(kit, socket).items():
                with pytest.raises(CapabilityError) as caught:
                    await call()
                assert caught.value.capability == capability
            assert socket.requests_pending == 0
        assert (provider.published, provider.subscriptions) == ([], [])

    @scenario()
    async def test_fields_are_declared_as_they_are(self, kit: Kit) -> None:
        """Headers, keys and timestamps arrive if and only if they are declared."""
        for capability in ("headers", "key", "timestamp"):
            await _assert_honest(kit, capability)

    @scenario()
    async def test_unicode_topics_are_declared_as_they_are(self, kit: Kit) -> None:
        """Topics beyond ASCII work if and only if they are declared."""
        await _assert_honest(kit, "unicode_topics")

    @scenario()
    async def test_ttl_is_declared_as_it_is(self, kit: Kit) -> None:
        """Messages expire if and only if that is declared; tried where groups keep messages."""
        if missing_capability(kit.capabilities, ["groups", "durable"]):
            pytest.skip("without groups that keep messages expiry cannot be told from delivery")
        await _assert_honest(kit, "ttl")

    @scenario()
    async def test_retain_is_declared_as_it_is(self, kit: Kit) -> None:
        """New subscribers are given the retained message if and only if that is declared."""
        await _assert_honest(kit, "retain")

    @scenario()
    async def test_wildcards_are_declared_as_they_are(self, kit: Kit) -> None:
        """A filter selects other topics than itself if and only if that is declared."""
        await _assert_honest(kit, "wildcards")

    @scenario()
    async def test_groups_are_declared_as_they_are(self, kit: Kit) -> None:
        """Members of a group share messages if and only if that is declared."""
        await _assert_honest(kit, "groups")

    @scenario()
    async def test_fanout_is_declared_as_it_is(self, kit: Kit) -> None:
        """Subscriptions without a group each get every message if and only if that is declared."""
        await _assert_honest(kit, "fanout")

    @scenario()
    async def test_replay_is_declared_as_it_is(self, kit: Kit) -> None:
        """New subscriptions get old messages if and only if that is declared."""
        await _assert_honest(kit, "replay")

    @scenario()
    async def test_durability_is_declared_as_it_is(self, kit: Kit) -> None:
        """A group without members keeps messages if and only if that is declared."""
        await _assert_honest(kit, "durable")

    @scenario(alone=True)
    async def test_persistence_is_declared_as_it_is(self, kit: Kit) -> None:
        """Messages outlive the last open socket if and only if that is declared."""
        await _assert_honest(kit, "persistent")

    @scenario()
    async def test_replies_are_declared_as_they_are(self, kit: Kit) -> None:
        """Messages reach a reply subscription if and only if requests are declared to be possible."""
        await _assert_honest(kit, "reply")

    @scenario()
    async def test_retry_is_declared_as_it_is(self, kit: Kit) -> None:
        """``Retry`` brings the message again on a live connection if and only if that is declared."""
        await _assert_honest(kit, "retry>=seek")

    @scenario("retry>=seek")
    async def test_delayed_retry_is_declared_as_it_is(self, kit: Kit) -> None:
        """``Retry`` waits for its delay if and only if that is declared."""
        await _assert_honest(kit, "retry_delay")

    @scenario()
    async def test_attempts_are_declared_as_they_are(self, kit: Kit) -> None:
        """Deliveries count their attempts if and only if that is declared; without it core must not trust a number."""
        await _assert_honest(kit, "attempts")

    @scenario()
    async def test_batches_are_declared_as_they_are(self, kit: Kit) -> None:
        """The socket has ``publish_many`` if and only if that is declared."""
        await _assert_honest(kit, "batch_publish")

    @scenario()
    async def test_no_responders_is_declared_as_it_is(self, kit: Kit) -> None:
        """``publish`` says that nobody listens if and only if that is declared; else a request would fail wrongly."""
        await _assert_honest(kit, "no_responders")

    @scenario()
    async def test_making_topics_is_declared_as_it_is(self, kit: Kit) -> None:
        """Topics work before anybody made them if and only if that is declared."""
        await _assert_honest(kit, "auto_create")

    @scenario()
    async def test_restarts_are_declared_as_they_are(self, kit: Kit) -> None:
        """A provider opens sockets again if and only if that is declared."""
        await _assert_honest(kit, "restartable")


async def _assert_honest(kit: Kit, capability: str) -> None:
    declared = missing_capability(kit.capabilities, [capability]) is None
    found = await works(kit, capability)
    assert found or not declared, f"{capability} is declared and does not work"
    assert declared or not found, f"{capability} works and is not declared: declare it"


def _declaring(kit: Kit, **changes: object) -> StandIn:
    return StandIn(kit.provider, msgspec.structs.replace(kit.capabilities, **changes))


def _undeclared_calls(kit: Kit, socket: SpaSocket) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return a call for each capability that has to be declared for it."""
    topic = kit.topic()
    return {
        "headers": lambda: socket.publish(topic, b"", headers={"trace": "1"}),
        "key": lambda: socket.publish(topic, b"", key=b"key"),
        "ttl": lambda: socket.publish_many([SpaMessage(topic=topic, ttl=1.0)]),
        "retain": lambda: socket.publish(topic, b"", retain=True),
        "unicode_topics": lambda: socket.publish(f"{topic}/größe", b""),
        "groups": lambda: socket.subscribe(topic, group="group"),
        "fanout": lambda: socket.subscribe(topic),
        "reply": lambda: socket.request(topic, b"", timeout=kit.patience),
    }


async def _handle(message: SpaMessage) -> None:
    """Handle nothing."""
