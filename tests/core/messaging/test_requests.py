"""Requests and replies: the pure table, and one long-lived reply subscription under any number of requests."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_core._messaging.requests import ERROR_HEADER, PendingRequests
from spa_core.errors import (
    CapabilityError,
    ConnectError,
    DisconnectedError,
    NoRespondersError,
    RemoteError,
    RequestError,
    RequestTimeoutError,
    SocketClosedError,
)
from spa_core.topics import matches
from spa_core.transport import Ack, Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.conftest import Broker, Eventually, Quiet

    from spa_core import SpaSocket


# -- the table ---------------------------------------------------------------------------------------------------------


@given(order=st.permutations(range(12)), closed=st.sets(st.integers(0, 11)))
def test_every_reply_finds_its_own_request(order: list[int], closed: set[int]) -> None:
    """Whatever the order of replies, each goes to the request it answers; those nobody waits for are counted."""
    table = PendingRequests("spa/reply")
    got: dict[int, SpaMessage | None] = {}
    addresses = [table.open(lambda reply, n=n: got.update({n: reply})) for n in range(12)]
    for number in closed:
        table.close(addresses[number])

    for number in order:
        table.resolve(SpaMessage(topic=addresses[number], payload=str(number)))

    assert set(got) == set(range(12)) - closed
    assert all(reply is not None and reply.topic == addresses[number] for number, reply in got.items())
    assert table.late == len(closed)
    assert len(table) == 0


@given(st.integers(1, 20))
def test_one_filter_catches_every_reply(count: int) -> None:
    """However many requests are open, the socket's one filter matches all their addresses, and no two are the same."""
    table = PendingRequests("spa/reply")
    addresses = [table.open(lambda _reply: None) for _ in range(count)]

    assert len(set(addresses)) == count
    assert all(matches(table.filter, address) for address in addresses)


def test_two_lives_never_share_an_address() -> None:
    """A reply to an earlier life of a process cannot be taken for one to this life."""
    assert PendingRequests("spa/reply").filter != PendingRequests("spa/reply").filter


def test_the_first_reply_wins() -> None:
    """Of several replies to one request the first is handed over, the others count as late."""
    table = PendingRequests("spa/reply")
    got: list[SpaMessage | None] = []
    address = table.open(got.append)

    for payload in (b"first", b"second"):
        table.resolve(SpaMessage(topic=address, payload=payload))

    assert [reply and reply.payload for reply in got] == [b"first"]
    assert table.late == 1


def test_abandoned_requests_are_told() -> None:
    """When no reply can come any more every request that waits is told, once."""
    table = PendingRequests("spa/reply")
    got: list[SpaMessage | None] = []
    address = table.open(got.append)
    table.abandon()
    table.resolve(SpaMessage(topic=address))
    table.abandon()

    assert got == [None]
    assert len(table) == 0


def test_closing_twice_is_closing_once() -> None:
    """A request that was answered is closed again by its end."""
    table = PendingRequests("spa/reply")
    address = table.open(lambda _reply: None)
    table.close(address)
    table.close(address)

    assert len(table) == 0


# -- the socket --------------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.anyio


def answering(broker: Broker, answer: Callable[[SpaMessage], SpaMessage | None]) -> None:
    """Answer every request at once, as a responder elsewhere would."""

    def refuse(call: str, message: SpaMessage | None) -> None:
        if call == "publish" and message is not None and message.response_topic is not None:
            reply = answer(message)
            if reply is not None:
                broker.deliver(reply)

    broker.refuse = refuse


def echo(request: SpaMessage) -> SpaMessage:
    """Answer a request with its own payload, knowing nothing but its response topic."""
    assert request.response_topic is not None
    return SpaMessage(topic=request.response_topic, payload=request.payload)


async def test_a_request_returns_its_reply(broker: Broker) -> None:
    """A responder that only publishes to ``response_topic``, as the origin's do, answers a request."""
    answering(broker, echo)
    async with broker.provider().create_socket() as socket:
        reply = await socket.request("echo", b"hello")
        again = await socket.request(SpaMessage(topic="echo", payload=b"again"))

    assert (reply.payload, again.payload) == (b"hello", b"again")
    assert socket.requests_pending == 0
    assert broker.outcomes() == [Ack, Ack]


async def test_the_request_carries_where_to_answer(broker: Broker) -> None:
    """The response topic is the socket's own, whatever the message says; a correlation id of the caller is kept."""
    answering(broker, echo)
    async with broker.provider().create_socket() as socket:
        await socket.request("echo", response_topic="elsewhere")
        await socket.request("echo", correlation_id="mine")

    first, second = broker.on("echo")
    assert first.response_topic is not None
    assert first.response_topic.startswith("spa/reply/")
    assert first.correlation_id == first.response_topic.rpartition("/")[2]
    assert second.correlation_id == "mine"
    assert first.response_topic != second.response_topic


async def test_a_request_expires_with_its_deadline(broker: Broker) -> None:
    """Where the transport honours ``ttl``, nobody works on a request that has been given up; a given one is kept."""
    answering(broker, echo)
    async with broker.provider(request_timeout=7.0).create_socket() as socket:
        await socket.request("echo")
        await socket.request("echo", timeout=3.0)
        await socket.request("echo", ttl=1.0)
    async with broker.provider(capabilities=Capabilities(fanout=True, reply=True)).create_socket() as socket:
        await socket.request("echo")

    assert [request.ttl for request in broker.on("echo")] == [7.0, 3.0, 1.0, None]


async def test_nobody_answers(broker: Broker) -> None:
    """Without an answer in time the error says which topic and how long; nothing stays behind."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(RequestTimeoutError, match=r"no reply from 'void' within 0\.01 s") as caught:
            await socket.request("void", timeout=0.01)

        assert socket.requests_pending == 0

    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.topic, caught.value.timeout) == ("void", 0.01)


async def test_the_deadline_is_the_configured_one(broker: Broker) -> None:
    """``request_timeout`` of the configuration counts where the call says nothing."""
    async with broker.provider(request_timeout=0.01).create_socket() as socket:
        with pytest.raises(RequestTimeoutError) as caught:
            await socket.request("void")

    assert caught.value.timeout == 0.01


async def test_the_deadline_covers_the_whole_exchange(broker: Broker) -> None:
    """Subscribing and publishing count towards the deadline, and the socket is usable afterwards."""
    for call in ("publish", "subscribe"):
        broker.before = {call: anyio.sleep_forever}
        async with broker.provider().create_socket() as socket:
            if call == "subscribe":
                broker.before = {f"subscribe {socket._link.requests.pending.filter}": anyio.sleep_forever}  # type: ignore[union-attr]
            with pytest.raises(RequestTimeoutError):
                await socket.request("echo", timeout=0.01)
            broker.before = {}
            answering(broker, echo)

            assert (await socket.request("echo", b"now")).payload == b"now"


async def test_nobody_listens(broker: Broker) -> None:
    """A transport that knows that nobody listens spares the requester the wait."""
    broker.somebody_listens = ...
    async with broker.provider().create_socket() as socket:
        with pytest.raises(NoRespondersError, match="'void'"):
            await socket.request("void")

        assert socket.requests_pending == 0


async def test_the_responder_failed(broker: Broker) -> None:
    """An error reply is raised at once, with the remote error's class and words."""

    def fail(request: SpaMessage) -> SpaMessage:
        return echo(request).replace(headers={ERROR_HEADER: "KeyError"}, payload=b"no \xff such plant")

    answering(broker, fail)
    async with broker.provider().create_socket() as socket:
        with pytest.raises(RemoteError, match=r"'echo' failed with KeyError: no \ufffd such plant") as caught:
            await socket.request("echo")

    assert (caught.value.error_type, caught.value.text) == ("KeyError", "no \ufffd such plant")
    assert isinstance(caught.value, RequestError)


async def test_the_request_is_refused(broker: Broker) -> None:
    """A request that the transport does not accept fails as a publish does, and nothing waits any longer."""
    async with broker.provider().create_socket() as socket:
        broker.refuse = lambda call, _message: ConnectError("no link") if call == "publish" else None
        with pytest.raises(ConnectError):
            await socket.request("echo")

        assert socket.requests_pending == 0


async def test_the_reply_subscription_is_refused(broker: Broker) -> None:
    """If replies cannot be subscribed to, the request says so; the next one tries again."""
    refusals = [ConnectError("no link")]
    broker.refuse = lambda call, _message: refusals.pop() if "reply" in call and refusals else None
    async with broker.provider().create_socket() as socket:
        with pytest.raises(ConnectError):
            await socket.request("echo")
        answering(broker, echo)

        assert (await socket.request("echo", b"now")).payload == b"now"


async def test_a_late_reply_is_dropped(broker: Broker, eventually: Eventually) -> None:
    """A reply that comes after its deadline is counted and dropped, never given to the next request."""
    asked: list[SpaMessage] = []

    def note(request: SpaMessage) -> None:
        asked.append(request)

    answering(broker, note)
    async with broker.provider().create_socket() as socket:
        while not asked:  # where the machine is busy, the deadline may pass before the request is sent
            with pytest.raises(RequestTimeoutError):
                await socket.request("slow", b"old", timeout=0.01)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_expect, socket, b"new")
            await eventually(lambda: len(asked) == 2)
            broker.deliver(echo(asked[0]))
            await eventually(lambda: socket.late_replies == 1)
            broker.deliver(echo(asked[1]))

        assert socket.late_replies == 1


async def _expect(socket: SpaSocket, payload: bytes) -> None:
    with anyio.fail_after(5):
        assert (await socket.request("slow", payload)).payload == payload


async def test_a_cancelled_request_leaves_nothing(broker: Broker, eventually: Eventually) -> None:
    """Cancelling a request forgets it; its reply counts as late, and the socket goes on."""
    async with broker.provider().create_socket() as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.request, "slow")
            await eventually(lambda: broker.on("slow"))
            tasks.cancel_scope.cancel()

        assert socket.requests_pending == 0

        broker.deliver(echo(broker.on("slow")[0]))
        await eventually(lambda: socket.late_replies == 1)
        answering(broker, echo)

        assert (await socket.request("echo", b"now")).payload == b"now"


async def test_a_request_cancelled_before_it_began(broker: Broker) -> None:
    """A request in a scope that is cancelled already sends nothing and leaves nothing."""
    async with broker.provider().create_socket() as socket:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await socket.request("echo")

        assert scope.cancelled_caught
        assert socket.requests_pending == 0
        assert broker.published == []


async def test_replies_in_any_order(broker: Broker, eventually: Eventually) -> None:
    """A hundred requests at once, answered in random order, each get their own answer."""
    asked: list[SpaMessage] = []

    def note(request: SpaMessage) -> None:
        asked.append(request)

    answering(broker, note)
    async with broker.provider().create_socket() as socket, anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(_expect, socket, str(number).encode())
        await eventually(lambda: len(asked) == 100)

        assert socket.requests_pending == 100

        random.Random(7).shuffle(asked)  # noqa: S311 - an order, not a secret
        for request in asked:
            broker.deliver(echo(request))
            await checkpoint()

    assert socket.late_replies == 0


async def test_a_thousand_requests_leave_no_trace(broker: Broker) -> None:
    """There is one reply subscription however many requests there were, and the table is empty between them."""
    answering(broker, echo)
    async with broker.provider().create_socket() as socket:
        for _ in range(1000):
            await socket.request("echo")

        assert len(broker.subscriptions) == 1
        assert len([call for call in broker.calls if call.startswith("subscribe")]) == 1
        assert socket.requests_pending == 0


async def test_requests_at_once_subscribe_once(broker: Broker) -> None:
    """The first requests of a socket, made at the same time, share its reply subscription."""
    answering(broker, echo)
    async with broker.provider().create_socket() as socket, anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(_expect, socket, str(number).encode())

    assert len([call for call in broker.calls if call.startswith("subscribe")]) == 1


async def test_a_socket_that_never_asks_subscribes_to_nothing(broker: Broker) -> None:
    """Replies are subscribed to with the first request, not before."""
    async with broker.provider().create_socket() as socket:
        await socket.publish("a", b"")

    assert not [call for call in broker.calls if call.startswith("subscribe")]


async def test_requests_work_while_the_socket_drains(broker: Broker) -> None:
    """A handler that finishes during a drain can still ask."""
    answering(broker, echo)
    async with broker.provider(default_subscription_topics=("in",)).create_socket() as socket:
        await socket.request("echo")
        await socket.stop_fetching()

        assert (await socket.request("echo", b"still")).payload == b"still"


async def test_closing_the_socket_ends_its_requests(broker: Broker, eventually: Eventually) -> None:
    """A request whose socket is closed under it fails at once, not when its deadline passes."""
    ended: list[Exception] = []

    async def ask(socket: SpaSocket) -> None:
        try:
            await socket.request("slow")
        except SocketClosedError as error:
            ended.append(error)

    async with anyio.create_task_group() as tasks:
        async with broker.provider().create_socket() as socket:
            tasks.start_soon(ask, socket)
            await eventually(lambda: broker.on("slow"))
        with anyio.fail_after(5):
            await eventually(lambda: ended)


async def test_a_lost_reply_subscription_ends_the_socket(broker: Broker) -> None:
    """Replies that can no longer arrive are an error, not a deadline for every request from then on."""
    answering(broker, echo)

    async def lose_it() -> None:
        async with broker.provider().create_socket() as socket:
            await socket.request("echo")
            broker.subscriptions[0].end()
            with anyio.fail_after(5):
                await anyio.sleep_forever()

    with pytest.raises(DisconnectedError, match="spa/reply"):
        await lose_it()


async def test_a_request_when_replies_are_not_declared(broker: Broker, quiet: Quiet) -> None:
    """A transport that cannot deliver replies is asked for none: refused before any I/O."""
    async with broker.provider(capabilities=Capabilities(fanout=True, reply=False)).create_socket() as socket:
        before = list(broker.calls)
        with pytest.raises(CapabilityError, match="reply"):
            await socket.request("echo", timeout=0.01)
        await quiet()

        assert broker.calls == before


# -- the answering side ------------------------------------------------------------------------------------------------


async def test_a_reply_goes_where_it_was_asked_for(broker: Broker) -> None:
    """The answer is published to the response topic, encoded like any value, with the request's correlation id."""
    request = SpaMessage(topic="echo", response_topic="answers/1", correlation_id="c-1")
    async with broker.provider().create_socket() as socket:
        await socket.reply(request, {"litres": 7}, key="k")
        await socket.reply(request, b"raw", correlation_id="another")

    first, second = broker.on("answers/1")
    assert (first.payload, first.correlation_id, first.key) == (b'{"litres":7}', "c-1", b"k")
    assert (second.payload, second.correlation_id) == (b"raw", "another")


async def test_a_whole_message_as_a_reply(broker: Broker) -> None:
    """A handler may answer with a message it built; it goes to the response topic whatever topic it names."""
    request = SpaMessage(topic="echo", response_topic="answers/1", correlation_id="c-1")
    async with broker.provider().create_socket() as socket:
        await socket.reply(request, SpaMessage(topic="wherever", payload=b"x", headers={"h": "1"}))

    (reply,) = broker.published
    assert (reply.topic, reply.payload, reply.correlation_id, reply.headers["h"]) == ("answers/1", b"x", "c-1", "1")


async def test_a_message_that_asks_for_nothing_gets_no_reply(broker: Broker) -> None:
    """Replying to a message without a response topic is an error that names its topic."""
    async with broker.provider().create_socket() as socket:
        with pytest.raises(RequestError, match="'plain' asks for no reply"):
            await socket.reply(SpaMessage(topic="plain"), b"x")

    assert broker.published == []


async def test_an_error_reply_says_class_and_words(broker: Broker) -> None:
    """Only the name and the text of an error travel; to who asked for nothing nothing is said."""
    async with broker.provider().create_socket() as socket:
        await socket.reply_error(SpaMessage(topic="a", response_topic="answers/1"), KeyError("north"))
        await socket.reply_error(SpaMessage(topic="a"), KeyError("north"))

    (reply,) = broker.published
    assert reply.headers == {ERROR_HEADER: "KeyError"}
    assert (reply.payload, reply.content_type) == (b"'north'", "text/plain")


async def test_without_headers_no_error_reply(broker: Broker) -> None:
    """Where an error could not be told from an answer, none is sent."""
    async with broker.provider(capabilities=Capabilities(fanout=True)).create_socket() as socket:
        await socket.reply_error(SpaMessage(topic="a", response_topic="answers/1"), KeyError("north"))

    assert broker.published == []
