"""Signatures: what a handler's parameters ask for, and every way in which one cannot be satisfied."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from spa_core import MessageBuilder, SpaMessage, SpaSocket
from spa_core._application.signature import Signature, handler_name, read_signature
from spa_core.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from nowhere import Missing


class Odd:
    """Nothing that msgspec knows."""


class Reading(msgspec.Struct):
    """A body."""

    litres: float


def read(
    handler: Callable[..., Any],
    *,
    resources: tuple[str, ...] = (),
    levels: tuple[str, ...] = (),
    producer: bool = False,
) -> Signature:
    """Read a handler's signature."""
    return read_signature(handler, resources=resources, levels=levels, has_message=not producer)


def refused(handler: Callable[..., Any], **options: Any) -> SignatureError:
    """Return why a signature is refused."""
    with pytest.raises(SignatureError) as caught:
        read(handler, **options)
    return caught.value


# -- by name -----------------------------------------------------------------------------------------------------------


async def origins_consumer(
    *, message: SpaMessage, socket: SpaSocket, state: dict[str, int], **resources: object
) -> None:
    """Look as the origin's consumers do."""


def test_the_well_known_names() -> None:
    """Message, socket, state, builder and each resource are asked for by name, whatever the annotation."""

    async def handler(message, socket, state, message_builder, database) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    signature = read(handler, resources=("database", "unwanted"))

    assert signature.messages == ("message",)
    assert signature.constants == {
        "socket": "socket",
        "state": "state",
        "message_builder": "message_builder",
        "database": "database",
    }
    assert (signature.body, signature.is_async) == (None, True)


def test_everything_goes_into_keywords() -> None:
    """``**kwargs`` gets all there is, as in the origin; what is named too is given once."""
    signature = read(origins_consumer, resources=("database",), levels=("plant",))

    assert signature.messages == ("message",)
    assert set(signature.constants) == {"socket", "state", "message_builder", "database"}
    assert signature.levels == {"plant": str}

    def only_keywords(**everything: object) -> None: ...

    assert read(only_keywords, resources=("database",), levels=("plant",)) == msgspec.structs.replace(
        signature, is_async=False
    )
    assert read(only_keywords, producer=True).messages == ()


def test_a_producer_gets_no_message() -> None:
    """A producer has all but messages."""

    async def producer(socket: SpaSocket, state: object, message_builder: MessageBuilder, database: object) -> None: ...

    signature = read(producer, producer=True, resources=("database",))

    assert set(signature.constants) == {"socket", "state", "message_builder", "database"}
    assert signature.messages == ()


def test_levels_of_the_topic() -> None:
    """Parameters of the topic template are asked for by name, and converted to their annotation; text without one."""

    async def handler(plant, number: int, kind: Annotated[str, msgspec.Meta(max_length=3)]):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        ...

    signature = read(handler, levels=("plant", "number", "kind", "unwanted"))

    assert signature.levels == {"plant": str, "number": int, "kind": Annotated[str, msgspec.Meta(max_length=3)]}
    assert signature.body is None


# -- by type -----------------------------------------------------------------------------------------------------------


def test_by_annotation() -> None:
    """The message, the socket and the builder are recognised by their type under any name."""

    async def handler(event: SpaMessage, bus: SpaSocket, build: MessageBuilder) -> None: ...

    signature = read(handler)

    assert signature.messages == ("event",)
    assert signature.constants == {"bus": "socket", "build": "message_builder"}
    assert signature.body is None


def test_the_same_thing_twice() -> None:
    """A thing may be asked for by name and by type at once."""

    async def handler(message: SpaMessage, event: SpaMessage, socket: SpaSocket, bus: SpaSocket) -> None: ...

    signature = read(handler)

    assert signature.messages == ("message", "event")
    assert signature.constants == {"socket": "socket", "bus": "socket"}


# -- the body ----------------------------------------------------------------------------------------------------------


def test_what_is_left_is_the_body() -> None:
    """One further parameter with an annotation gets the payload decoded into it."""

    async def handler(reading: Reading, plant: str, socket: SpaSocket) -> None: ...

    signature = read(handler, levels=("plant",))

    assert (signature.body, signature.body_type) == ("reading", Reading)


@pytest.mark.parametrize("name", ["body", "payload"])
def test_a_body_without_annotation(name: str) -> None:
    """A parameter called ``body`` or ``payload`` needs no annotation."""
    signature = read(eval(f"lambda {name}: None"))  # noqa: S307 - our own text

    assert (signature.body, signature.body_type) == (name, Any)


def test_constraints_of_the_body_are_kept() -> None:
    """An ``Annotated`` body keeps its constraints, so that the codec can check them."""
    positive = Annotated[float, msgspec.Meta(gt=0)]

    async def handler(litres: positive) -> None: ...  # type: ignore[valid-type]

    handler.__annotations__["litres"] = positive

    assert read(handler).body_type == positive


def test_a_default_is_kept() -> None:
    """A parameter with a default that matches nothing keeps it; one that matches is filled."""

    async def handler(
        reading: Reading, limit: float = 3.0, socket: SpaSocket | None = None, *, loud: bool = False
    ) -> None: ...

    signature = read(handler)

    assert (signature.body, signature.constants) == ("reading", {"socket": "socket"})


# -- kinds of handlers -------------------------------------------------------------------------------------------------


class Callable1:
    """An object with a method to call."""

    async def __call__(self, reading: Reading, socket: SpaSocket) -> None:
        """Handle."""

    async def method(self, reading: Reading, socket: SpaSocket) -> None:
        """Handle."""

    @classmethod
    async def of_class(cls, reading: Reading, socket: SpaSocket) -> None:
        """Handle."""

    @staticmethod
    async def static(reading: Reading, socket: SpaSocket) -> None:
        """Handle."""


async def plain(reading: Reading, socket: SpaSocket) -> None:
    """Handle."""


async def with_more(more: int, reading: Reading, socket: SpaSocket) -> None:
    """Handle."""


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a handler as decorators do."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - passes everything on
        return await function(*args, **keywords)

    return wrapper


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (plain, "plain"),
        (Callable1(), "Callable1"),
        (Callable1().method, "method"),
        (Callable1.of_class, "of_class"),
        (Callable1.static, "static"),
        (functools.partial(plain), "plain"),
        (functools.partial(with_more, 7), "with_more"),
        (functools.partial(with_more, more=7), "with_more"),
        (functools.partial(Callable1().method), "method"),
        (functools.partial(functools.partial(with_more, 7)), "with_more"),
        (decorated(plain), "plain"),
    ],
    ids=[
        "function",
        "object",
        "method",
        "class method",
        "static method",
        "partial",
        "partial by position",
        "partial by name",
        "partial of a method",
        "partial of a partial",
        "decorated",
    ],
)
def test_every_kind_of_callable(handler: Callable[..., Any], name: str) -> None:
    """Functions, methods, objects, partials and decorated ones are read alike, and have a name."""
    signature = read(handler)

    assert (signature.body, signature.body_type, signature.constants) == ("reading", Reading, {"socket": "socket"})
    assert signature.is_async
    assert handler_name(handler) == name


def test_a_partial_of_an_object() -> None:
    """A partial of an object with ``__call__`` is read like the object."""
    signature = read(functools.partial(Callable1()))

    assert (signature.body, signature.body_type) == ("reading", Reading)
    assert handler_name(functools.partial(Callable1())) == "Callable1"


def test_a_plain_function_is_known_as_one() -> None:
    """A function that is no coroutine function is told apart: it runs in a thread."""
    assert not read(lambda message: None).is_async  # noqa: ARG005 - a handler
    assert read(plain).is_async


def test_further_positional_arguments_are_left_out() -> None:
    """``*args`` stays empty: handlers are called by keyword."""

    def handler(*args: object, message: SpaMessage) -> None: ...

    assert read(handler) == msgspec.structs.replace(read(lambda message: None), messages=("message",))  # noqa: ARG005


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mesage", "Did you mean 'message'?"),
        ("sockt", "Did you mean 'socket'?"),
        ("databse", "Did you mean 'database'?"),
        ("plnt", "Did you mean 'plant'?"),
        ("xyz", "Annotate it with a type to get the decoded payload"),
    ],
)
def test_a_parameter_that_nothing_fills(name: str, hint: str) -> None:
    """A name that means nothing is refused at registration, with all that could fill it and the nearest match."""
    error = refused(eval(f"lambda {name}: None"), resources=("database",), levels=("plant",))  # noqa: S307 - our own text

    assert error.parameter == name
    assert error.handler == "<lambda>"
    assert error.hint == hint
    for known in ("message", "socket", "state", "message_builder", "database", "plant"):
        assert known in error.message


def test_a_producer_that_asks_for_a_message() -> None:
    """A producer that asks for a message or a body is refused, and told what it may ask for."""

    async def producer(message: SpaMessage) -> None: ...

    async def with_body(reading: Reading) -> None: ...

    for handler, parameter in ((producer, "message"), (with_body, "reading")):
        error = refused(handler, producer=True)

        assert error.parameter == parameter
        assert "a producer may ask for: socket, state, message_builder" in error.message


def test_two_bodies() -> None:
    """There is one payload: a second parameter that would get it is refused, and both are named."""

    async def handler(reading: Reading, other: Reading) -> None: ...

    error = refused(handler)

    assert error.parameter == "other"
    assert "'reading'" in error.message


def test_a_positional_only_parameter() -> None:
    """What cannot be given by keyword is refused."""

    async def handler(message: SpaMessage, /) -> None: ...

    assert "'/'" in (refused(handler).hint or "")


def generating(message: SpaMessage) -> Iterator[int]:
    """Yield."""
    yield len(message.payload)


async def generating_async(message: SpaMessage) -> AsyncIterator[int]:
    """Yield."""
    yield len(message.payload)


class Generating:
    """Yields when called."""

    async def __call__(self, message: SpaMessage) -> AsyncIterator[int]:
        """Yield."""
        yield len(message.payload)


@pytest.mark.parametrize(
    "handler",
    [generating, generating_async, functools.partial(generating), Generating(), functools.partial(Generating())],
    ids=["generator", "async generator", "partial", "object", "partial of an object"],
)
def test_a_generator(handler: Callable[..., Any]) -> None:
    """Calling a generator runs none of it: it is refused, and told to publish instead."""
    error = refused(handler)

    assert error.parameter is None
    assert "publish" in (error.hint or "")


def test_a_callable_without_a_signature() -> None:
    """What cannot be looked into is refused as what it is; what is no callable too."""
    assert "cannot be read" in refused(iter).message
    assert "cannot be read" in refused(42).message  # type: ignore[arg-type]


class Named:
    """Gives its annotations as it is told."""


def with_annotation(annotation: str) -> Callable[..., Any]:
    """Return a handler with one annotation that is a text."""

    async def handler(reading) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__["reading"] = annotation
    return handler


@pytest.mark.parametrize("annotation", ["Missing", "msgspec.Nothing", "1 +", "list[", "Reading | 7"])
def test_an_annotation_that_cannot_be_resolved(annotation: str) -> None:
    """An annotation that leads nowhere is refused with the reason, where the body depends on it."""
    error = refused(with_annotation(annotation))

    assert error.parameter == "reading"
    assert "cannot be resolved" in error.message
    assert error.__cause__ is not None


def test_an_annotation_that_nothing_depends_on() -> None:
    """A type that is imported for type checking only does no harm on what is filled by its name, or returned."""

    async def handler(message: Missing, state: Missing, limit: Missing = 3) -> Missing: ...

    assert read(handler).messages == ("message",)


def test_a_level_whose_annotation_cannot_be_resolved() -> None:
    """A level depends on its annotation: it is not given as text where another type was asked for."""

    async def handler(plant: Missing) -> None: ...

    error = refused(handler, levels=("plant",))

    assert error.parameter == "plant"
    assert "cannot be resolved" in error.message


def test_a_level_of_a_type_that_no_text_becomes() -> None:
    """A level can be converted to plain types; for any other the handler is refused, not every message."""

    async def handler(plant) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    for annotation in (Odd, Odd | int | Callable1):
        handler.__annotations__["plant"] = annotation
        error = refused(handler, levels=("plant",))

        assert error.parameter == "plant"
        assert "Odd" in error.message


@pytest.mark.parametrize("name", ["message", "socket", "state", "message_builder"])
def test_a_level_with_a_reserved_name(name: str) -> None:
    """A level called like something every handler can ask for is refused: one of the two would be lost."""
    error = refused(plain, levels=(name,))

    assert repr(name) in error.message


def test_a_level_called_like_a_resource() -> None:
    """A level and a resource of one name are refused: one of the two would be lost."""
    assert "'database'" in refused(plain, levels=("database",), resources=("database",)).message


@pytest.mark.parametrize("annotation", [Reading, dict[str, int], int])
def test_a_message_that_is_annotated_as_a_body(annotation: Any) -> None:  # noqa: ANN401 - an annotation
    """``message: Reading`` would get the message, not the reading: it is refused, and told to use another name."""

    async def handler(message) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__["message"] = annotation
    error = refused(handler)

    assert error.parameter == "message"
    assert "another name" in (error.hint or "")


@pytest.mark.parametrize("annotation", [SpaMessage, object, Any, SpaMessage | None, "Missing"])
def test_a_message_may_be_annotated_as_one(annotation: Any) -> None:  # noqa: ANN401 - an annotation
    """Whatever a message fits may be said of it, and what cannot be resolved is not held against it."""

    async def handler(message) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__["message"] = annotation

    assert read(handler).messages == ("message",)
