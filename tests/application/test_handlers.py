"""Handlers and producers in memory: what they are given, what becomes of what they return, raise and publish."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from spa_core import DistributedApplication, FailurePolicy, MessageBuilder, RejectError, SpaMessage, SpaSocket
from spa_core.errors import NoRespondersError, RemoteError, RequestTimeoutError
from spa_core.transport import current_delivery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.application.conftest import Eventually, Launch

pytestmark = pytest.mark.anyio
ONCE = FailurePolicy(attempts=1, backoff=0)


class Reading(msgspec.Struct):
    """A body."""

    litres: float


# -- what they are given -----------------------------------------------------------------------------------------------


async def test_a_handler_gets_what_it_asks_for(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Message, body, level, socket, builder, state and a resource's entered value, each where it is asked for."""
    app = DistributedApplication(memory)
    given: list[tuple[Any, ...]] = []
    state = {"n": 0}

    @contextmanager
    def database() -> Iterator[str]:
        yield "the entered value"

    @app.application("plants/{plant}/{number}", state=state, resources={"database": database}, client_name="detect")
    async def handle(
        *,
        message: SpaMessage,
        reading: Reading,
        plant: str,
        number: int,
        socket: SpaSocket,
        message_builder: MessageBuilder,
        state: dict[str, int],
        database: str,
        limit: float = 3.0,
    ) -> None:
        built = message_builder(topic="t", payload="x")
        given.append((message.topic, reading, plant, number, built.client_name, state, database, limit))
        assert built.client_id == socket.client_id

    async with launch(app) as socket:
        await socket.publish("plants/north/7", {"litres": 7})
        await eventually(lambda: given)

    ((topic, reading, plant, number, name, its_state, value, limit),) = given
    assert (topic, reading, plant, number) == ("plants/north/7", Reading(7.0), "north", 7)
    assert (name, value, limit) == ("detect", "the entered value", 3.0)
    assert its_state is state


async def test_keywords_get_everything(memory: str, launch: Launch, eventually: Eventually) -> None:
    """The origin's callbacks take what they do not name as keywords: they get all there is."""
    app = DistributedApplication(memory)
    given: list[set[str]] = []

    @app.application("plants/{plant}", resources={"database": lambda: 1}, state=7)
    async def handle(**everything: object) -> None:
        given.append(set(everything))

    @app.producer(ressources={"words": lambda: 1})
    async def produce(**everything: object) -> None:
        given.append(set(everything))

    async with launch(app) as socket:
        await socket.publish("plants/north", b"")
        await eventually(lambda: len(given) == 2)

    assert given == [
        {"socket", "state", "message_builder", "words"},
        {"message", "socket", "state", "message_builder", "database", "plant"},
    ]


async def test_resources_live_as_long_as_the_application(memory: str, launch: Launch) -> None:
    """Entered before the first message, exited after the last, once for each run, those of a producer too."""
    notes: list[str] = []

    @asynccontextmanager
    async def resource() -> AsyncGenerator[list[str]]:
        notes.append("enter")
        yield notes
        notes.append("exit")

    app = DistributedApplication(memory)

    @app.application("a", resources={"notes": resource})
    async def handle(notes: list[str]) -> None:
        notes.append("handle")

    @app.producer(resources={"notes": resource})
    async def produce(notes: list[str], socket: SpaSocket) -> None:
        await socket.publish("a")
        await socket.publish("a")
        notes.append("produce")
        while notes.count("handle") < 2:
            await checkpoint()

    for _ in range(2):
        notes.clear()
        async with launch(app), anyio.create_task_group():
            while notes.count("exit") < 1:
                await checkpoint()

        assert sorted(notes) == ["enter", "enter", "exit", "exit", "handle", "handle", "produce"]
        assert notes[:2] == ["enter", "enter"]
        assert notes[-1] == "exit"


async def test_a_late_resource_failure_is_the_applications(memory: str) -> None:
    """A resource that fails to exit after all went well fails the run."""
    app = DistributedApplication(memory)

    @contextmanager
    def leaking() -> Iterator[None]:
        yield
        raise OSError("leak")

    @app.producer(resources={"leaking": leaking})
    async def produce() -> None: ...

    with pytest.raises(Exception, match="'leaking' of produce failed to exit: OSError: leak"):
        await app.start_async()


# -- plain functions ---------------------------------------------------------------------------------------------------


async def test_plain_functions_run_off_the_event_loop(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Plain handlers and producers run in worker threads, as many at once as allowed; the event loop goes on."""
    app = DistributedApplication(memory)
    here = threading.current_thread()
    threads: list[bool] = []
    together = threading.Barrier(3)

    @app.application("a", concurrency=3)
    def handle(message: SpaMessage) -> int:
        together.wait(timeout=5)
        threads.append(threading.current_thread() is here)
        delivery = current_delivery.get()
        assert delivery is not None
        assert delivery.message is message
        return 7

    @app.producer()
    def produce(socket: SpaSocket) -> None:
        threads.append(threading.current_thread() is here)
        for number in range(5):
            anyio.from_thread.run(socket.publish, "a", str(number))

    async with launch(app) as socket:
        reply = await socket.request("a")
        await eventually(lambda: len(threads) == 7)

    assert reply.payload == b"7"
    assert threads == [False] * 7


async def test_a_plain_function_that_fails(memory: str, launch: Launch) -> None:
    """Attempts, dead letters and error replies are the same for plain functions."""
    app = DistributedApplication(memory)
    made: list[int] = []

    @app.application("a", policy=FailurePolicy(attempts=2, backoff=0))
    def handle() -> None:
        made.append(1)
        raise KeyError("north")

    async with launch(app) as socket:
        with pytest.raises(RemoteError, match="'north'"):
            await socket.request("a")

    assert len(made) == 2


async def test_a_plain_function_may_stop_the_application(memory: str, launch: Launch) -> None:
    """``stop()`` works from a plain handler, which is not on the event loop's thread; it finishes first."""
    app = DistributedApplication(memory)
    done: list[bool] = []

    @app.application("a")
    def handle() -> None:
        app.stop()
        done.append(app.health().state == "draining")

    async with launch(app) as socket:
        await socket.publish("a")
        with anyio.fail_after(5):
            while app.health().state != "stopped":
                await checkpoint()

    assert len(done) == 1
    assert app.health().applications[0].counts.handled == 1


# -- requests ----------------------------------------------------------------------------------------------------------


async def test_a_returned_value_is_the_reply(memory: str, launch: Launch) -> None:
    """What a handler returns is encoded and answers the request, on whatever transport the application runs."""
    app = DistributedApplication(memory)

    @app.application("double/{n}")
    async def double(n: int) -> dict[str, int]:
        return {"result": 2 * n}

    async with launch(app) as socket:
        reply = await socket.request("double/21")

    assert socket.decode(reply, dict[str, int]) == {"result": 42}


async def test_the_origins_way_to_answer(memory: str, launch: Launch) -> None:
    """A handler that publishes to ``response_topic``, as the origin's do, answers just as well."""
    app = DistributedApplication(memory)

    @app.application("echo")
    async def echo(message: SpaMessage, socket: SpaSocket, message_builder: MessageBuilder) -> None:
        assert message.response_topic is not None
        await socket.publish(message_builder(topic=message.response_topic, payload=message.payload))

    async with launch(app) as socket:
        assert (await socket.request("echo", b"hello")).payload == b"hello"


@pytest.mark.parametrize("policy", [ONCE, FailurePolicy(attempts=1, then="drop")], ids=["dead letter", "drop"])
async def test_a_failure_travels_back(memory: str, launch: Launch, policy: FailurePolicy) -> None:
    """A requester is told at once of what a handler failed with, of a refusal, and of a body it could not read."""
    app = DistributedApplication(memory)

    @app.application("check", policy=policy)
    async def check(reading: Reading) -> None:
        if reading.litres < 0:
            raise RejectError("a flow cannot be negative")
        raise ZeroDivisionError("too dry")

    async with launch(app) as socket:
        for value, error_type in ((1, "ZeroDivisionError"), (-1, "RejectError"), ("x", "DecodeError")):
            with pytest.raises(RemoteError) as caught:
                await socket.request("check", {"litres": value})

            assert caught.value.error_type == error_type


async def test_a_hundred_requests_at_once(memory: str, launch: Launch) -> None:
    """Replies that come back in any order find their requests, over one subscription."""
    app = DistributedApplication(memory)

    @app.application("square", concurrency=10)
    async def square(n: int) -> int:
        for _ in range((n * 7919) % 13):
            await checkpoint()
        return n * n

    async def ask(socket: SpaSocket, number: int) -> None:
        assert socket.decode(await socket.request("square", number), int) == number**2

    async with launch(app) as socket, anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(ask, socket, number)


async def test_a_handler_may_ask_another(memory: str, launch: Launch) -> None:
    """A handler that waits for the answer of another handler, even for one of its own kind, does not deadlock."""
    app = DistributedApplication(memory)

    @app.application("sum", concurrency=2)
    async def up_to(n: int, socket: SpaSocket) -> int:
        if n <= 1:
            return n
        return n + socket.decode(await socket.request("sum", 1), int)

    @app.application("outer")
    async def outer(n: int, socket: SpaSocket) -> int:
        return socket.decode(await socket.request("sum", n), int)

    async with launch(app) as socket:
        assert socket.decode(await socket.request("outer", 5), int) == 6


async def test_nobody_there(memory: str, launch: Launch) -> None:
    """A request that nobody can answer fails at once in memory; one that nobody answers fails in time."""
    app = DistributedApplication(memory)

    @app.application("silent")
    async def silent() -> None: ...

    async with launch(app) as socket:
        with pytest.raises(NoRespondersError):
            await socket.request("void")
        with pytest.raises(RequestTimeoutError):
            await socket.request("silent", timeout=0.01)


# -- failures ----------------------------------------------------------------------------------------------------------


async def test_a_dead_letter_can_be_mended_and_published_again(
    memory: str, launch: Launch, eventually: Eventually
) -> None:
    """What failed is in the dead letters as it was sent; a handler there can put it right and send it back."""
    app = DistributedApplication(memory)
    handled: list[Reading] = []

    @app.application("readings", group="detector")
    async def detect(reading: Reading) -> None:
        handled.append(reading)

    @app.application("dead-letters/detector/#")
    async def mend(message: SpaMessage, socket: SpaSocket) -> None:
        assert message.headers["spa-dead-letter-error-type"] == "DecodeError"
        origin = message.headers["spa-dead-letter-topic"]
        await socket.publish(message.replace(topic=origin, payload=message.payload.replace(b",", b".")))

    async with launch(app) as socket:
        await socket.publish("readings", b'{"litres": 7,5}')
        await eventually(lambda: handled)

    assert handled == [Reading(7.5)]


async def test_a_failing_handler_disturbs_nobody(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Neither the publisher nor the other handlers of a topic notice that one of them fails."""
    app = DistributedApplication(memory)
    handled: list[bytes] = []

    @app.application("a", policy=ONCE)
    async def fails() -> None:
        raise ValueError

    @app.application("a")
    async def works(message: SpaMessage) -> None:
        handled.append(message.payload)

    async with launch(app) as socket:
        for number in range(50):
            await socket.publish("a", str(number))
        await eventually(lambda: len(handled) == 50)

    assert handled == [str(number).encode() for number in range(50)]


async def test_listening_to_everything_and_failing_on_it_ends(
    memory: str, launch: Launch, eventually: Eventually
) -> None:
    """Two handlers that hear everything, dead letters included, and fail on all of it, come to rest."""
    app = DistributedApplication(memory)
    for name in ("first", "second"):

        @app.application("#", policy=ONCE, client_name=name)
        async def fails() -> None:
            raise ValueError

    async with launch(app) as socket:
        await socket.publish("a")
        await eventually(lambda: all(each.counts.dropped >= 1 for each in app.health().applications))
        for _ in range(200):
            await checkpoint()
        counts = [each.counts for each in app.health().applications]

    assert sum(each.dead_lettered for each in counts) <= 4
    assert all(each.received == each.dead_lettered + each.dropped for each in counts)


async def test_redelivery_after_a_while(memory: str, launch: Launch, eventually: Eventually) -> None:
    """A message handed back for later comes back with its attempt counted, and ends well or in the dead letters."""
    app = DistributedApplication(memory)
    attempts: list[int | None] = []

    @app.application("a", policy=FailurePolicy(attempts=1, redeliver_after=(0.001, 0.001)))
    async def handle() -> None:
        delivery = current_delivery.get()
        attempts.append(delivery.attempt if delivery is not None else None)
        if len(attempts) < 3:
            raise ValueError

    async with launch(app) as socket:
        await socket.publish("a")
        await eventually(lambda: app.health().applications[0].counts.handled)

    assert attempts == [1, 2, 3]
    assert app.health().applications[0].counts.redelivered == 2


# -- order and sharing -------------------------------------------------------------------------------------------------


async def test_keys_never_overtake_in_a_group(memory: str, launch: Launch, eventually: Eventually) -> None:
    """With two members of a group, eight handlers each, of differing length: messages of one key end in order."""
    app = DistributedApplication(memory)
    ended: defaultdict[bytes, list[int]] = defaultdict(list)
    members: set[str] = set()

    def member(name: str) -> None:
        @app.application("a", group="g", concurrency=8, client_name=name)
        async def handle(message: SpaMessage, n: int) -> None:
            members.add(name)
            for _ in range((n * 7919) % 11):
                await checkpoint()
            ended[message.key or b""].append(n)

    member("first")
    member("second")
    async with launch(app) as socket:
        for number in range(300):
            await socket.publish("a", number, key=f"k{number % 7}")
        await eventually(lambda: sum(map(len, ended.values())) == 300)

    assert all(numbers == sorted(numbers) for numbers in ended.values())
    assert members == {"first", "second"}


async def test_without_a_group_everybody_gets_everything(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Handlers without a group each get every message; members of a group share them, each exactly once."""
    app = DistributedApplication(memory)
    got: defaultdict[str, list[bytes]] = defaultdict(list)

    def listen(name: str, group: str | None) -> None:
        @app.application("a", group=group, client_name=name)
        async def handle(message: SpaMessage) -> None:
            got[group or name].append(message.payload)

    for name, group in (("alone", None), ("also alone", None), ("one", "shared"), ("two", "shared")):
        listen(name, group)
    async with launch(app) as socket:
        for number in range(40):
            await socket.publish("a", str(number))
        await eventually(lambda: sum(map(len, got.values())) == 120)

    expected = sorted(str(number).encode() for number in range(40))
    assert {name: sorted(payloads) for name, payloads in got.items()} == dict.fromkeys(
        ("alone", "also alone", "shared"), expected
    )


async def test_a_handler_that_publishes_to_its_own_topic(memory: str, launch: Launch, eventually: Eventually) -> None:
    """Handlers feed themselves without recursion or deadlock, for longer than any stack is deep."""
    app = DistributedApplication(memory)
    count = 0

    @app.application("a")
    async def handle(n: int, socket: SpaSocket) -> None:
        nonlocal count
        count = n
        if n < 5000:
            await socket.publish("a", n + 1)

    async with launch(app) as socket:
        await socket.publish("a", 1)
        await eventually(lambda: count == 5000)


async def test_two_templates_of_one_handler(memory: str, launch: Launch, eventually: Eventually) -> None:
    """A handler of several templates gets what all of them have; what matches several comes once."""
    app = DistributedApplication(memory)
    got: list[tuple[str, str]] = []

    @app.application(["plants/{plant}/flow", "plants/{plant}/#"])
    async def handle(message: SpaMessage, plant: str) -> None:
        got.append((message.topic, plant))

    async with launch(app) as socket:
        await socket.publish("plants/north/flow")
        await socket.publish("plants/south/level/7")
        await eventually(lambda: len(got) == 2)

    assert got == [("plants/north/flow", "north"), ("plants/south/level/7", "south")]
