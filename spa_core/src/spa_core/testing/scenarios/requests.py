"""Requests and replies through core's socket: every reply reaches its request and no other, and nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from spa_core import ConsumerApplication
from spa_core.errors import NoRespondersError, RemoteError, RequestTimeoutError
from spa_core.testing.parties import answering, echo, running
from spa_core.testing.scenario import scenario
from spa_core.testing.stand_ins import StandIn

if TYPE_CHECKING:
    from spa_core import SpaMessage, SpaSocket
    from spa_core.testing.kit import Kit
    from spa_core.testing.parties import Answer

__all__ = ["Requests"]


class Requests:
    """Scenarios about requests and replies."""

    @scenario("reply")
    async def test_a_request_gets_its_reply(self, kit: Kit) -> None:
        """A request returns the reply that was made to it, with a value encoded and decoded on both ways."""
        topic = kit.topic()

        async def double(socket: SpaSocket, message: SpaMessage) -> None:
            await socket.reply(message, {"litres": 2 * socket.decode(message, dict[str, float])["litres"]})

        async with answering(kit, topic, double), kit.spa_socket() as socket:
            reply = await socket.request(topic, {"litres": 50.3}, timeout=kit.patience)
        assert socket.decode(reply, dict[str, float]) == {"litres": 100.6}

    @scenario("reply", "headers")
    async def test_a_failing_responder_is_told_of(self, kit: Kit) -> None:
        """An error reply raises ``RemoteError`` with the remote error's class and words."""
        topic = kit.topic()

        async def fail(socket: SpaSocket, message: SpaMessage) -> None:
            await socket.reply_error(message, ValueError("no such valve"))

        async with answering(kit, topic, fail), kit.spa_socket() as socket:
            with pytest.raises(RemoteError) as caught:
                await _ask(kit, socket, topic, b"open")
            assert socket.requests_pending == 0
        assert (caught.value.error_type, caught.value.text) == ("ValueError", "no such valve")

    @scenario("reply")
    async def test_a_responder_need_only_publish_to_the_response_topic(self, kit: Kit) -> None:
        """A responder that knows nothing of correlation ids and publishes to ``response_topic`` is understood."""
        topic = kit.topic()

        async def publish(socket: SpaSocket, message: SpaMessage) -> None:
            assert message.response_topic is not None
            await socket.publish(message.response_topic, b"to " + message.payload)

        async with answering(kit, topic, publish), kit.spa_socket() as socket:
            replies = [await _ask(kit, socket, topic, payload) for payload in (b"first", b"second")]
        assert [reply.payload for reply in replies] == [b"to first", b"to second"]

    @scenario("reply")
    async def test_the_first_requests_are_not_lost(self, kit: Kit) -> None:
        """Requests made at once on a fresh socket, before it has asked for any reply, are all answered."""
        topic = kit.topic()
        async with answering(kit, topic, echo), kit.spa_socket() as socket:
            asked = [b"%d" % number for number in range(10)]
            assert await _ask_at_once(kit, socket, dict.fromkeys(asked, topic)) == asked

    @scenario("reply")
    async def test_shuffled_replies_reach_their_requests(self, kit: Kit) -> None:
        """A hundred requests to two responders that answer in any order get each its own reply."""
        topics = kit.topic(), kit.topic()
        async with (
            answering(kit, topics[0], _shuffling(kit, 50)),
            answering(kit, topics[1], _shuffling(kit, 50)),
            kit.spa_socket() as socket,
        ):
            asked = {b"%d" % number: topics[number % 2] for number in range(100)}
            assert await _ask_at_once(kit, socket, asked) == list(asked)

    @scenario("reply")
    async def test_replies_reach_only_the_socket_that_asked(self, kit: Kit) -> None:
        """Two sockets that ask one responder at the same time get their own replies, and neither sees the other's."""
        topic = kit.topic()
        async with answering(kit, topic, _shuffling(kit, 20)), kit.spa_socket() as one, kit.spa_socket() as two:
            async with anyio.create_task_group() as tasks:
                for socket, word in ((one, b"one %d"), (two, b"two %d")):
                    tasks.start_soon(_expect_own, kit, socket, topic, [word % number for number in range(10)])
            assert (one.late_replies, two.late_replies) == (0, 0)

    @scenario("reply")
    async def test_a_timeout_releases_everything(self, kit: Kit) -> None:
        """A request nobody answers ends with ``RequestTimeoutError``, is not pending, and the next one is answered."""
        topic, mute = kit.topic(), kit.topic()
        async with answering(kit, topic, echo), answering(kit, mute, _ignore), kit.spa_socket() as socket:
            await _ask(kit, socket, topic, b"so that replies are subscribed to")
            with pytest.raises(RequestTimeoutError) as caught:
                await socket.request(mute, b"anybody?", timeout=0.01)
            assert socket.requests_pending == 0
            reply = await _ask(kit, socket, topic, b"next")
        assert (caught.value.topic, caught.value.timeout, reply.payload) == (mute, 0.01, b"next")

    @scenario("reply")
    async def test_a_request_may_be_cancelled_at_any_moment(self, kit: Kit) -> None:
        """Requests cancelled before, while and after they are sent leave nothing pending, and the next is answered."""
        topic = kit.topic()
        async with answering(kit, topic, echo), kit.spa_socket() as socket:
            for turns in range(30):
                await kit.cut_short(lambda: _ask(kit, socket, topic, b"cut short"), turns)
                assert socket.requests_pending == 0, f"after {turns} turns"
            reply = await _ask(kit, socket, topic, b"next")
        assert reply.payload == b"next"

    @scenario("reply")
    async def test_a_late_reply_is_not_given_to_the_next_request(self, kit: Kit) -> None:
        """The reply to a request that was given up is dropped and counted; the next request gets its own."""
        topic = kit.topic()
        first: list[SpaMessage] = []
        asked = anyio.Event()

        async def answer_late(socket: SpaSocket, message: SpaMessage) -> None:
            if not first:
                first.append(message)
                asked.set()
            else:
                await socket.reply(first[0], b"late")
                await socket.reply(message, b"in time")

        async with answering(kit, topic, answer_late), kit.spa_socket() as socket:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_ask, kit, socket, topic, b"first")
                await asked.wait()
                tasks.cancel_scope.cancel()
            reply = await _ask(kit, socket, topic, b"second")
            await kit.until(lambda: socket.late_replies == 1, "the late reply is counted")
        assert reply.payload == b"in time"

    @scenario("reply")
    async def test_one_of_several_replies_counts(self, kit: Kit) -> None:
        """Of several replies to a request one is returned; the others are dropped and counted."""
        topic = kit.topic()

        async def insist(socket: SpaSocket, message: SpaMessage) -> None:
            for number in range(3):
                await socket.reply(message, message.payload + b"%d" % number)

        async with answering(kit, topic, insist), kit.spa_socket() as socket:
            replies = [(await _ask(kit, socket, topic, payload)).payload for payload in (b"a", b"b")]
            await kit.until(lambda: socket.late_replies == 4, "the other replies are counted")
        assert [payload[:1] for payload in replies] == [b"a", b"b"]

    @scenario("reply")
    async def test_a_reply_nobody_asked_for_is_ignored(self, kit: Kit) -> None:
        """A message to a reply address that no request has is counted and disturbs nothing."""
        topic = kit.topic()

        async def stray(socket: SpaSocket, message: SpaMessage) -> None:
            levels = (message.response_topic or "").rpartition("/")
            await socket.publish(f"{levels[0]}/nobody", b"stray", correlation_id=message.correlation_id)
            await echo(socket, message)

        async with answering(kit, topic, stray), kit.spa_socket() as socket:
            reply = await _ask(kit, socket, topic, b"mine")
            await kit.until(lambda: socket.late_replies == 1, "the stray reply is counted")
        assert reply.payload == b"mine"

    @scenario("reply")
    async def test_answering_one_who_has_gone_is_no_error(self, kit: Kit) -> None:
        """A reply to a socket that is closed raises nothing, and the responder answers others."""
        topic = kit.topic()
        asked, gone = anyio.Event(), anyio.Event()

        async def answer_slowly(socket: SpaSocket, message: SpaMessage) -> None:
            asked.set()
            await gone.wait()
            await echo(socket, message)

        async with answering(kit, topic, answer_slowly), kit.spa_socket() as socket:
            async with kit.spa_socket() as goer, anyio.create_task_group() as tasks:
                tasks.start_soon(_ask, kit, goer, topic, b"from one who goes")
                await asked.wait()
                tasks.cancel_scope.cancel()
            gone.set()
            reply = await _ask(kit, socket, topic, b"from one who stays")
        assert reply.payload == b"from one who stays"

    @scenario("reply")
    async def test_a_handler_may_ask(self, kit: Kit) -> None:
        """Handlers that ask another application get their replies, even with one message in hand at a time."""
        inner, outer = kit.topic(), kit.topic()
        provider = kit.provider.overwrite_config(prefetch=1)

        async def ask(message: SpaMessage, socket: SpaSocket) -> bytes:
            return b"asked " + (await _ask(kit, socket, inner, message.payload)).payload

        asking = ConsumerApplication(ask, provider, topics=outer, group=kit.own_group())
        asked = ConsumerApplication(_payload, provider, topics=inner, group=kit.own_group())
        async with running(kit, asking, asked), kit.spa_socket() as socket:
            replies = [(await _ask(kit, socket, outer, payload)).payload for payload in (b"1", b"2", b"3")]
        assert replies == [b"asked 1", b"asked 2", b"asked 3"]

    @scenario("reply")
    async def test_a_thousand_requests_grow_nothing(self, kit: Kit) -> None:
        """A thousand requests of one socket share one reply subscription, and none of them stays pending."""
        topic = kit.topic()
        provider = StandIn(kit.provider)
        async with answering(kit, topic, echo), kit.spa_socket(provider) as socket:
            for hundred in range(10):
                asked = [b"%d-%d" % (hundred, number) for number in range(100)]
                assert await _ask_at_once(kit, socket, dict.fromkeys(asked, topic)) == asked
            assert (len(provider.subscriptions), socket.requests_pending, socket.late_replies) == (1, 0, 0)

    @scenario("reply", "ttl")
    async def test_a_request_expires_with_its_deadline(self, kit: Kit) -> None:
        """A request travels with its deadline as ``ttl``, so that nobody handles it later; a shorter one is kept."""
        topic = kit.topic()
        provider = StandIn(kit.provider)
        async with answering(kit, topic, echo), kit.spa_socket(provider) as socket:
            await socket.request(topic, b"", timeout=50 * kit.patience)
            await socket.request(topic, b"", timeout=50 * kit.patience, ttl=20 * kit.patience)
        assert [message.ttl for message in provider.published] == [50 * kit.patience, 20 * kit.patience]

    @scenario("reply", "no_responders")
    async def test_nobody_listening_is_told_at_once(self, kit: Kit) -> None:
        """A request on a topic without listeners raises ``NoRespondersError`` and is not pending."""
        topic = kit.topic()
        async with kit.spa_socket() as socket:
            with pytest.raises(NoRespondersError) as caught:
                await _ask(kit, socket, topic, b"anybody?")
            assert socket.requests_pending == 0
        assert caught.value.topic == topic


async def _ask(kit: Kit, socket: SpaSocket, topic: str, payload: bytes) -> SpaMessage:
    return await socket.request(topic, payload, timeout=kit.patience)


async def _ask_at_once(kit: Kit, socket: SpaSocket, asked: dict[bytes, str]) -> list[bytes]:
    """Ask all payloads on their topics at the same time; return the replies in the order of the requests."""
    replies: dict[bytes, bytes] = {}

    async def ask(payload: bytes, topic: str) -> None:
        replies[payload] = (await _ask(kit, socket, topic, payload)).payload

    async with anyio.create_task_group() as tasks:
        for payload, topic in asked.items():
            tasks.start_soon(ask, payload, topic)
    return [replies[payload] for payload in asked]


async def _expect_own(kit: Kit, socket: SpaSocket, topic: str, asked: list[bytes]) -> None:
    assert await _ask_at_once(kit, socket, dict.fromkeys(asked, topic)) == asked


def _shuffling(kit: Kit, count: int) -> Answer:
    """Return an answer that waits for *count* requests and echoes them in any order."""
    waiting: list[SpaMessage] = []

    async def answer(socket: SpaSocket, message: SpaMessage) -> None:
        waiting.append(message)
        if len(waiting) == count:
            kit.random.shuffle(waiting)
            for each in waiting:
                await echo(socket, each)

    return answer


async def _ignore(socket: SpaSocket, message: SpaMessage) -> None:
    """Answer nothing."""


async def _payload(message: SpaMessage) -> bytes:
    return message.payload
