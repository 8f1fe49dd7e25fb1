"""From a signature to a call: the arguments of a handler for each message, and threads for plain functions."""

from __future__ import annotations

import re
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest

from spa_core import RejectError, SpaMessage
from spa_core._application.binding import callable_handler, constant_arguments, message_arguments
from spa_core._application.signature import read_signature
from spa_core.codecs import CodecRegistry
from spa_core.errors import CodecError, DecodeError
from spa_core.topics import TopicTemplate

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.conftest import Broker


class Reading(msgspec.Struct):
    """A body."""

    litres: float


class Kind(StrEnum):
    """Values of a level."""

    FLOW = "flow"


def arguments(
    handler: Callable[..., Any], message: SpaMessage, *topics: str, constants: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a handler listening to some topics is called with for a message."""
    templates = [TopicTemplate(topic) for topic in topics]
    levels = [name for name in templates[0].names if all(name in each.names for each in templates)] if templates else []
    signature = read_signature(handler, resources=(), levels=levels, has_message=True)
    bind = message_arguments(signature, constants or {}, codecs=CodecRegistry(), templates=templates)
    return bind(message)


# -- what does not change ----------------------------------------------------------------------------------------------


def test_constants_are_given_under_the_handlers_names(broker: Broker) -> None:
    """Socket, state, builder and resources reach the parameters that ask for them, whatever they are called there."""

    async def handler(socket: object, state: object, build: object, database: object) -> None: ...

    handler.__annotations__["build"] = type(broker.provider().create_socket().message_builder)
    signature = read_signature(handler, resources=("database", "other"), levels=(), has_message=True)
    socket = broker.provider().create_socket()
    given = constant_arguments(
        signature, socket=socket, state="state", builder="builder", resources={"database": "db", "other": "unwanted"}
    )

    assert given == {"socket": socket, "state": "state", "build": "builder", "database": "db"}


# -- what changes with each message ------------------------------------------------------------------------------------


async def wants_all(message: SpaMessage, reading: Reading, plant: str) -> None:
    """Ask for a message, a body and a level."""


def test_message_body_and_levels() -> None:
    """A handler gets the very message, its payload decoded, and the levels of its topic."""
    message = SpaMessage(topic="plants/north/flow", payload=b'{"litres":7}')
    given = arguments(wants_all, message, "plants/{plant}/flow", constants={"socket": 1})

    assert given == {"socket": 1, "message": message, "reading": Reading(7.0), "plant": "north"}
    assert given["message"] is message


def test_messages_do_not_share_arguments() -> None:
    """What a handler does to its keywords does not reach the next call."""
    signature = read_signature(wants_all, resources=(), levels=("plant",), has_message=True)
    bind = message_arguments(
        signature, {"socket": 1}, codecs=CodecRegistry(), templates=[TopicTemplate("plants/{plant}")]
    )
    first = bind(SpaMessage(topic="plants/a", payload=b'{"litres":1}'))
    first.clear()

    assert bind(SpaMessage(topic="plants/b", payload=b'{"litres":2}'))["plant"] == "b"


@pytest.mark.parametrize(
    ("annotation", "level", "value"),
    [
        (str, "7", "7"),
        (int, "7", 7),
        (float, "7.5", 7.5),
        (bool, "true", True),
        (Kind, "flow", Kind.FLOW),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Annotated[int, msgspec.Meta(ge=0)], "7", 7),
        (int | str, "north", "north"),
        (object, "x", "x"),
        (str, "", ""),
    ],
)
def test_levels_are_converted(annotation: Any, level: str, value: object) -> None:  # noqa: ANN401 - an annotation
    """A level becomes what its parameter is annotated as."""

    async def handler(level) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__["level"] = annotation
    given = arguments(handler, SpaMessage(topic=f"a/{level}/b"), "a/{level}/b")

    assert given == {"level": value}
    assert type(given["level"]) is type(value)


@pytest.mark.parametrize(
    ("annotation", "level"), [(int, "north"), (Kind, "level"), (Annotated[int, msgspec.Meta(ge=0)], "-1"), (UUID, "7")]
)
def test_a_level_that_does_not_fit_cannot_be_decoded(annotation: Any, level: str) -> None:  # noqa: ANN401
    """A level of another kind is a decode failure: the message goes to the dead letters, not through the attempts."""

    async def handler(level) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__["level"] = annotation
    with pytest.raises(DecodeError, match=re.escape(f"level {{level}} of topic 'a/{level}' does not fit")) as caught:
        arguments(handler, SpaMessage(topic=f"a/{level}"), "a/{level}")

    assert caught.value.__cause__ is not None


def test_the_template_that_matches_gives_the_levels() -> None:
    """With several templates the one that matches counts; what only some of them have is not asked for."""

    async def handler(plant: str) -> None: ...

    topics = ("plants/{plant}/flow", "{plant}/level/{number}")

    assert arguments(handler, SpaMessage(topic="plants/north/flow"), *topics) == {"plant": "north"}
    assert arguments(handler, SpaMessage(topic="south/level/7"), *topics) == {"plant": "south"}


def test_a_topic_that_nothing_matches() -> None:
    """A transport that delivers what was not asked for makes a decode failure, not a wrong call."""

    async def handler(plant: str) -> None: ...

    with pytest.raises(DecodeError, match=r"matches none of plants/\{plant\}"):
        arguments(handler, SpaMessage(topic="elsewhere"), "plants/{plant}")


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [(b"no json", None), (b'{"litres":"x"}', "application/json"), (b"{}", None), (b"\xff", "application/json")],
)
def test_a_payload_that_does_not_fit(payload: bytes, content_type: str | None) -> None:
    """A payload that is not what the handler's body says is a decode failure."""
    message = SpaMessage(topic="plants/a", payload=payload, content_type=content_type)
    with pytest.raises(CodecError):
        arguments(wants_all, message, "plants/{plant}")


def test_without_a_body_nothing_is_decoded() -> None:
    """A handler that asks for no body handles any payload."""

    async def handler(message: SpaMessage) -> None: ...

    message = SpaMessage(topic="a", payload=b"\xff", content_type="application/unheard-of")

    assert arguments(handler, message) == {"message": message}


# -- plain functions ---------------------------------------------------------------------------------------------------

in_loop = pytest.mark.anyio


@in_loop
async def test_a_coroutine_function_is_called_as_it_is() -> None:
    """Nothing stands between delivery and a coroutine function."""
    assert callable_handler(wants_all, is_async=True, threads=1) is wants_all


@in_loop
async def test_a_plain_function_runs_off_the_event_loop() -> None:
    """A plain function runs in a worker thread, with its arguments, and its result comes back."""

    def handler(number: int) -> tuple[int, bool]:
        return number + 1, threading.current_thread() is here

    here = threading.current_thread()

    assert await callable_handler(handler, is_async=False, threads=1)(number=6) == (7, False)


@in_loop
@pytest.mark.parametrize("threads", [1, 3])
async def test_no_more_threads_than_allowed(threads: int) -> None:
    """However many calls are made at once, no more run at a time than the limit says, and that many do."""
    lock = threading.Lock()
    together = threading.Barrier(threads)
    running = most = 0

    def handler() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(timeout=5)
        with lock:
            running -= 1

    call = callable_handler(handler, is_async=False, threads=threads)
    async with anyio.create_task_group() as tasks:
        for _ in range(threads * 4):
            tasks.start_soon(call)

    assert most == threads


@in_loop
@pytest.mark.parametrize("error", [ValueError("no"), RejectError("no"), StopIteration(3)])
async def test_what_a_plain_function_raises_comes_out(error: Exception) -> None:
    """An exception in a thread is the call's exception; one that no coroutine can raise becomes one it can."""

    def handler() -> None:
        raise error

    with pytest.raises((type(error), RuntimeError)):
        await callable_handler(handler, is_async=False, threads=1)()


@in_loop
async def test_a_plain_function_that_returns_a_coroutine() -> None:
    """A lambda or decorator around a coroutine function looks plain; what it returns is awaited, not lost."""
    done: list[str] = []

    async def handler(name: str) -> str:
        await anyio.lowlevel.checkpoint()
        done.append(name)
        return name

    call = callable_handler(lambda name: handler(name), is_async=False, threads=1)  # noqa: PLW0108 - the case

    assert await call(name="x") == "x"
    assert done == ["x"]


@in_loop
async def test_a_cancelled_plain_function_is_left_to_itself() -> None:
    """A thread cannot be interrupted: cancelling the call returns at once, and the thread ends by itself."""
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def handler() -> None:
        started.set()
        go_on.wait(timeout=5)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(callable_handler(handler, is_async=False, threads=1))
        await anyio.to_thread.run_sync(started.wait)
        tasks.cancel_scope.cancel()

    assert not ended.is_set()
    go_on.set()
    assert await anyio.to_thread.run_sync(ended.wait, 5)


@in_loop
async def test_a_plain_function_may_call_back() -> None:
    """A plain function reaches the event loop through ``anyio.from_thread``."""

    def handler() -> int:
        return anyio.from_thread.run(answer)

    async def answer() -> int:
        return 42

    assert await callable_handler(handler, is_async=False, threads=1)() == 42
