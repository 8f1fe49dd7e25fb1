"""Resources: entered in order, their values given, exited in reverse on every way out."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from spa_core._application.resources import entered
from spa_core.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

pytestmark = pytest.mark.anyio


class Recorder:
    """Makes resources that note when they are entered and exited."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def sync(self, name: str, *, fails: str = "") -> Callable[[], Any]:
        """Return a function that makes a sync context manager."""

        @contextmanager
        def manager() -> Iterator[str]:
            self.note(f"enter {name}", fails)
            try:
                yield f"value of {name}"
            finally:
                self.note(f"exit {name}", fails)

        return manager

    def asynchronous(self, name: str, *, fails: str = "") -> Callable[[], Any]:
        """Return a function that makes an async context manager."""

        @asynccontextmanager
        async def manager() -> AsyncGenerator[str]:
            await anyio.lowlevel.checkpoint()
            self.note(f"enter {name}", fails)
            try:
                yield f"value of {name}"
            finally:
                self.note(f"exit {name}", fails)

        return manager

    def note(self, what: str, fails: str) -> None:
        """Note something, and fail if that is what is to fail."""
        self.notes.append(what)
        if fails and what.startswith(fails):
            raise OSError(what)


async def values_of(**resources: Any) -> dict[str, Any]:
    """Enter resources and return what they gave."""
    async with entered(resources, application="app") as values:
        return dict(values)


async def use(resources: dict[str, Any], error: BaseException | None = None) -> None:
    """Enter resources and leave them, with an error if there is one."""
    async with entered(resources, application="app"):
        if error is not None:
            raise error


# -- what may be one ---------------------------------------------------------------------------------------------------


async def test_every_kind_of_resource() -> None:
    """Sync and async managers, functions and coroutine functions that make one: handlers get the entered value."""
    recorder = Recorder()

    async def make() -> Any:  # noqa: ANN401 - a manager
        return recorder.asynchronous("d")()

    values = await values_of(
        a=recorder.sync("a")(),
        b=recorder.asynchronous("b")(),
        c=recorder.sync("c"),
        d=make,
        e=lambda: recorder.asynchronous("e")(),  # noqa: PLW0108 - the case
    )

    assert values == {name: f"value of {name}" for name in "abcde"}
    assert recorder.notes == [f"enter {name}" for name in "abcde"] + [f"exit {name}" for name in "edcba"]


class Pool:
    """A class whose objects are neither managers nor callable."""


async def test_anything_else_is_given_as_it_is() -> None:
    """A plain value is given as it is; a function or class is called and its result given."""
    pool = Pool()

    async def connect() -> str:
        return "connected"

    assert await values_of(number=7, pool=pool, text="x", nothing=None) == {
        "number": 7,
        "pool": pool,
        "text": "x",
        "nothing": None,
    }
    assert isinstance((await values_of(pool=Pool))["pool"], Pool)
    assert await values_of(made=lambda: 7, awaited=connect) == {"made": 7, "awaited": "connected"}


class Both:
    """A manager of both kinds."""

    def __enter__(self) -> str:
        return "sync"

    def __exit__(self, *_: object) -> None:
        """Leave."""

    async def __aenter__(self) -> str:
        """Enter."""
        return "async"

    async def __aexit__(self, *_: object) -> None:
        """Leave."""


async def test_a_manager_of_both_kinds_is_used_as_the_async_one() -> None:
    """In an event loop the async way is the better one."""
    assert await values_of(both=Both()) == {"both": "async"}


async def test_a_task_group_is_a_resource() -> None:
    """A task group may be held open as a resource; a failure in it comes out as itself."""
    done: list[int] = []

    async def work() -> None:
        done.append(7)

    async with entered({"tasks": anyio.create_task_group}, application="app") as values:
        values["tasks"].start_soon(work)

    assert done == [7]


# -- what fails --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "asynchronous"])
async def test_one_that_fails_to_enter(kind: str) -> None:
    """Those before it are exited, those after it never entered, and the error says which it was and why."""
    recorder = Recorder()
    resources = {
        "a": recorder.sync("a"),
        "bad": getattr(recorder, kind)("bad", fails="enter"),
        "c": recorder.sync("c"),
    }
    with pytest.raises(ResourceError, match=r"resource 'bad' of app failed to enter: OSError: enter bad") as caught:
        await use(resources)

    assert recorder.notes == ["enter a", "enter bad", "exit a"]
    assert (caught.value.resource, caught.value.application) == ("bad", "app")
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_function_that_fails_to_make_one() -> None:
    """A factory that fails, sync or not, is a resource that failed to enter."""

    def fails() -> None:
        raise OSError("no")

    async def fails_too() -> None:
        raise OSError("no")

    def asks(for_something: object) -> None: ...

    for factory in (fails, fails_too, asks):
        with pytest.raises(ResourceError, match="failed to enter"):
            await use({"bad": factory})


@pytest.mark.parametrize("kind", ["sync", "asynchronous"])
async def test_one_that_fails_to_exit(kind: str) -> None:
    """The others are exited all the same, and the error says which it was."""
    recorder = Recorder()
    resources = {
        "a": recorder.asynchronous("a"),
        "bad": getattr(recorder, kind)("bad", fails="exit"),
        "c": recorder.sync("c"),
    }
    with pytest.raises(ResourceError, match="resource 'bad' of app failed to exit") as caught:
        await use(resources)

    assert recorder.notes[3:] == ["exit c", "exit bad", "exit a"]
    assert isinstance(caught.value.__cause__, OSError)


async def test_several_that_fail_to_exit() -> None:
    """Every resource is exited, and no failure is lost: the later ones have the earlier ones as their context."""
    recorder = Recorder()
    resources = {"a": recorder.sync("a", fails="exit"), "b": recorder.sync("b", fails="exit")}
    with pytest.raises(ResourceError, match="'a'") as caught:
        await use(resources)

    assert recorder.notes[2:] == ["exit b", "exit a"]
    contexts = []
    context: BaseException | None = caught.value
    while context is not None:
        contexts.append(str(context))
        context = context.__context__
    assert any("'b'" in text for text in contexts)


@pytest.mark.parametrize("kind", ["sync", "asynchronous"])
async def test_an_error_while_they_are_open(kind: str) -> None:
    """The application's own error comes out as it is, after every resource saw it and was exited."""
    recorder = Recorder()
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        await use({"a": getattr(recorder, kind)("a"), "b": recorder.sync("b")}, error)

    assert caught.value is error
    assert recorder.notes[2:] == ["exit b", "exit a"]


async def test_a_resource_that_raises_the_error_it_was_told_of() -> None:
    """A manager that raises the application's own error again has not failed itself."""

    class Raising:
        async def __aenter__(self) -> None:
            """Enter."""

        async def __aexit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
            if error is not None:
                raise error

    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        await use({"raising": Raising()}, error)

    assert caught.value is error


async def test_an_error_while_they_are_open_and_one_on_the_way_out() -> None:
    """The failure to exit is raised, and the application's own error is not lost: it is the context."""
    error = KeyError("mine")
    with pytest.raises(ResourceError, match="'a'") as caught:
        await use({"a": Recorder().sync("a", fails="exit")}, error)

    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__context__ is error


async def test_a_cancellation_while_they_are_open() -> None:
    """Cancelled or not, every resource is exited, and the cancellation goes on."""
    recorder = Recorder()
    with anyio.CancelScope() as scope:
        async with entered({"a": recorder.sync("a"), "b": recorder.asynchronous("b")}, application="app"):
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert recorder.notes[2:] == ["exit b", "exit a"]


async def test_a_cancellation_while_they_are_entered() -> None:
    """A resource that takes long to enter can be given up; those before it are exited."""
    recorder = Recorder()

    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        await anyio.sleep_forever()
        yield

    with anyio.move_on_after(0.01) as scope:
        await use({"a": recorder.sync("a"), "slow": slow})

    assert scope.cancelled_caught
    assert recorder.notes == ["enter a", "exit a"]


async def test_a_resource_may_swallow_an_error() -> None:
    """A manager that suppresses errors does what it does in a ``with`` statement."""
    await use({"quiet": suppress(KeyError)}, KeyError("swallowed"))


async def test_a_failure_in_a_task_group_that_is_a_resource() -> None:
    """What fails in the background of a resource comes out as that resource's failure, in no exception group."""

    async def fails() -> None:
        raise OSError("background")

    async def run() -> None:
        async with entered({"tasks": anyio.create_task_group}, application="app") as values:
            values["tasks"].start_soon(fails)
            await anyio.sleep_forever()

    with pytest.raises(ResourceError, match=r"'tasks'.*background") as caught:
        await run()

    assert isinstance(caught.value.__cause__, OSError)
