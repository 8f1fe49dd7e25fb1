"""Where messages end that cannot be handled: core's failure policy over this transport, which must lose none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from spa_core import ConsumerApplication, FailurePolicy, SpaMessage, SpaSocket
from spa_core._delivery.dead_letters import ATTEMPTS, ERROR, ERROR_TYPE, ORIGIN
from spa_core.errors import PublishRefusedError
from spa_core.testing.parties import running
from spa_core.testing.scenario import scenario
from spa_core.testing.stand_ins import StandIn

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit

__all__ = ["DeadLetters"]


class DeadLetters:
    """Scenarios about messages whose handler fails for good."""

    @scenario("groups", "durable", "ack")
    async def test_a_message_that_fails_for_good_is_a_dead_letter(self, kit: Kit) -> None:
        """A message that fails for good is in the dead-letter topic as it was, with the reason, and comes no more."""
        sent, letters, group = kit.full_message(kit.topic()), kit.topic(), kit.unique("group")

        async def fail(message: SpaMessage) -> None:
            raise LookupError(f"no pump for {len(message.payload)} bytes")

        policy = FailurePolicy(attempts=2, backoff=0, dead_letter_topic=letters)
        application = ConsumerApplication(fail, kit.provider, topics=sent.topic, group=group, policy=policy)
        async with kit.socket() as socket, kit.subscribed(socket, letters) as subscription:
            async with running(kit, application):
                await socket.publish(sent)
                [letter] = await kit.take(subscription)
            async with kit.subscribed(socket, sent.topic, group=group) as again:
                await kit.assert_silent(again, socket, sent.topic)
        headers = dict(letter.headers)
        if kit.capabilities.headers:
            report = [headers.pop(name) for name in (ORIGIN, ATTEMPTS, ERROR_TYPE, ERROR)]
            assert report == [sent.topic, "2", "LookupError", "no pump for 4 bytes"]
        assert headers.items() >= dict(sent.headers).items()
        unlike = {"topic": letters, "headers": sent.headers}
        assert kit.carried(letter.replace(**unlike)) == kit.carried(sent.replace(**unlike))

    @scenario()
    async def test_an_undecodable_message_is_a_dead_letter_at_once(self, kit: Kit) -> None:
        """A payload that is not what its handler asks for is a dead letter, byte for byte; those behind it go on."""
        topic, letters = kit.topic(), kit.topic()
        handled: list[int] = []

        async def add(number: int) -> None:
            handled.append(number)

        policy = FailurePolicy(attempts=5, dead_letter_topic=letters)
        application = ConsumerApplication(add, kit.provider, topics=topic, group=kit.own_group(), policy=policy)
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, letters) as subscription,
            running(kit, application),
        ):
            await kit.publish(socket, topic, b"\xff{", b"7", content_type="application/json")
            [letter] = await kit.take(subscription)
            await kit.until(lambda: handled, "the message behind it is handled")
            await kit.assert_silent(subscription, socket, letters)
        assert (letter.payload, letter.content_type) == (b"\xff{", "application/json")
        assert handled == [7]
        if kit.capabilities.headers:
            assert (letter.headers[ATTEMPTS], letter.headers[ERROR_TYPE]) == ("1", "DecodeError")

    @scenario("retry_delay", "attempts", "groups", "durable", "ack")
    async def test_a_message_is_handed_back_before_it_is_given_up(self, kit: Kit) -> None:
        """A policy with two redeliveries has the transport deliver a message three times before it is a dead letter."""
        topic, letters = kit.topic(), kit.topic()
        calls: list[bytes] = []

        async def fail(message: SpaMessage) -> None:
            calls.append(message.payload)
            raise LookupError("no such pump")

        policy = FailurePolicy(attempts=1, redeliver_after=(0.01, 0.02), dead_letter_topic=letters)
        application = ConsumerApplication(fail, kit.provider, topics=topic, group=kit.unique("group"), policy=policy)
        async with (
            kit.socket() as socket,
            kit.subscribed(socket, letters) as subscription,
            running(kit, application),
        ):
            await kit.publish(socket, topic, b"body")
            [letter] = await kit.take(subscription)
            await kit.assert_silent(subscription, socket, letters)
        assert calls == [b"body"] * 3
        assert letter.payload == b"body"

    @scenario("groups", "durable", "ack")
    async def test_a_dead_letter_that_is_refused_loses_nothing(self, kit: Kit) -> None:
        """While its dead letter is not accepted a message is not settled: when the application ends it goes back."""
        topic, group = kit.topic(), kit.unique("group")

        async def fail(message: SpaMessage) -> None:
            raise LookupError(f"no pump for {len(message.payload)} bytes")

        # Without delayed retries core keeps the message in hand, so that it goes back as soon as the application ends.
        provider = StandIn(kit.provider, msgspec.structs.replace(kit.capabilities, retry_delay=False))
        policy = FailurePolicy(attempts=1, dead_letter_topic=kit.topic())
        application = _Refusing(fail, provider, topics=topic, group=group, policy=policy)
        async with kit.socket() as socket:
            async with running(kit, application, shutdown_timeout=0.01):
                await kit.publish(socket, topic, b"kept")
                await kit.until(lambda: application.refused, "the dead letter is refused")
            async with kit.subscribed(socket, topic, group=group) as subscription:
                [message] = await kit.take(subscription)
        assert message.payload == b"kept"


class _Refusing(ConsumerApplication):
    """A consumer whose broker accepts nothing that it publishes."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.refused: list[SpaMessage] = []

    def create_socket(self) -> SpaSocket:
        """Make a socket that refuses to publish."""
        return SpaSocket(self.socket_provider, before_publish=[self._refuse])

    def _refuse(self, message: SpaMessage) -> SpaMessage:
        self.refused.append(message)
        raise PublishRefusedError("not accepted", topic=message.topic, reason="the kit refuses everything")
