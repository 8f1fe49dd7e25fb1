"""
What a handler's parameters ask for, worked out once at registration; nothing here runs a handler.

By name: ``message``, ``socket``, ``state``, ``message_builder``, each resource, each parameter of the topic template.
By annotation: ``SpaMessage``, ``SpaSocket``, ``MessageBuilder``. One parameter may be left: the *body*, the payload
decoded into its annotated type. A parameter with a default that matches nothing keeps its default.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, NoReturn, get_origin

import msgspec

from spa_core._application.annotations import annotations_of, can_be_a_message, can_be_read_from_text
from spa_core._messaging.builder import MessageBuilder
from spa_core._messaging.socket import SpaSocket
from spa_core._suggest import did_you_mean
from spa_core.errors import SignatureError
from spa_core.message import SpaMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MESSAGE: Final = "message"
SOCKET: Final = "socket"
STATE: Final = "state"
BUILDER: Final = "message_builder"

RESERVED: Final = (MESSAGE, SOCKET, STATE, BUILDER)
"""Names that handlers get these things by, whatever else is called so."""

_BY_TYPE: Final[dict[type, str]] = {SpaMessage: MESSAGE, SpaSocket: SOCKET, MessageBuilder: BUILDER}
_BODY_NAMES: Final = ("body", "payload")


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a handler asks for.

    Attributes:
        constants: Parameter name to the name of the value that is the same for every message.
        messages: Parameters that get the message.
        levels: Parameter name to annotation, for parameters of the topic template.
        body: The parameter that gets the decoded payload, or ``None``.
        body_type: What the payload is decoded into; ``Any`` if the parameter has no annotation.
        is_async: Whether the handler is a coroutine function; a plain one runs in a worker thread.
    """

    constants: dict[str, str]
    messages: tuple[str, ...]
    levels: dict[str, Any]
    body: str | None
    body_type: Any
    is_async: bool


def read_signature(
    handler: Callable[..., object], *, resources: Iterable[str], levels: Iterable[str], has_message: bool
) -> Signature:
    """
    Work out what *handler* asks for.

    Args:
        handler: The function or callable object.
        resources: Names of the application's resources.
        levels: Names of the topic template's parameters.
        has_message: Whether it handles messages; a producer does not.

    Raises:
        SignatureError: A parameter cannot be filled; names it and what could.
    """
    return _Reading(handler, list(resources), list(levels), has_message=has_message).read()


def handler_name(handler: object) -> str:
    """Return the name a handler is known by."""
    inner = getattr(handler, "func", handler)
    return getattr(inner, "__name__", None) or type(inner).__name__


class _Reading:
    """One pass over one signature."""

    def __init__(
        self, handler: Callable[..., object], resources: list[str], levels: list[str], *, has_message: bool
    ) -> None:
        self._handler = handler
        self._name = handler_name(handler)
        self._has_message = has_message
        self._common = [SOCKET, STATE, BUILDER, *resources]
        self._level_names = levels
        self._hints, self._unresolved = annotations_of(handler)
        self._constants: dict[str, str] = {}
        self._messages: list[str] = []
        self._levels: dict[str, Any] = {}
        self._body: str | None = None

    def read(self) -> Signature:
        self._check_names()
        if any(inspect.isasyncgenfunction(code) or inspect.isgeneratorfunction(code) for code in _code(self._handler)):
            self._refuse(None, "is a generator", "Publish each value with socket.publish() instead of yielding it")
        for parameter in _parameters(self._handler, self._name):
            self._place(parameter)
        return Signature(
            constants=self._constants,
            messages=tuple(self._messages),
            levels=self._levels,
            body=self._body,
            body_type=self._hints.get(self._body, Any) if self._body else Any,
            is_async=_is_async(self._handler),
        )

    def _check_names(self) -> None:
        for name in self._level_names:
            if name in RESERVED or name in self._common:
                also = "every handler can ask for" if name in RESERVED else "is a resource"
                hint = "Give the level another name in the topic template"
                self._refuse(None, f"has a topic with a level called {name!r}, which {also}", hint)

    def _place(self, parameter: inspect.Parameter) -> None:
        name = parameter.name
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            self._fill_all()
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            self._refuse(name, "is positional-only", "Handlers are called by keyword: remove the '/'")
        elif not (self._by_name(name) or self._by_type(name) or parameter.default is not parameter.empty):
            self._as_body(name)

    def _by_name(self, name: str) -> bool:
        if name == MESSAGE and self._has_message:
            self._as_message(name)
        elif name in self._level_names:
            self._as_level(name)
        elif name in self._common:
            self._constants[name] = name
        else:
            return False
        return True

    def _by_type(self, name: str) -> bool:
        hint = self._hints.get(name)
        wanted = _BY_TYPE.get(hint) if isinstance(hint, type) else None
        if wanted is None or (wanted == MESSAGE and not self._has_message):
            return False
        if wanted == MESSAGE:
            self._messages.append(name)
        else:
            self._constants[name] = wanted
        return True

    def _as_message(self, name: str) -> None:
        annotation = self._hints.get(name, Any)
        if not can_be_a_message(annotation):
            hint = "Give the parameter another name to get the decoded payload"
            self._refuse(name, f"gets the message, a SpaMessage, but is annotated {_shown(annotation)}", hint)
        self._messages.append(name)

    def _as_level(self, name: str) -> None:
        self._check_resolved(name)
        annotation = self._levels[name] = self._hints.get(name, str)
        if not can_be_read_from_text(annotation):
            self._refuse(name, f"gets a level of the topic, which cannot be read as {_shown(annotation)}", None)

    def _check_resolved(self, name: str) -> None:
        if name in self._unresolved:
            error = self._unresolved[name]
            hint = "Define or import the type at module level, not inside a function or under TYPE_CHECKING"
            self._refuse(name, f"has an annotation that cannot be resolved: {error}", hint, cause=error)

    def _as_body(self, name: str) -> None:
        self._check_resolved(name)
        known = [*([MESSAGE] if self._has_message else []), *self._common, *self._level_names]
        if not self._has_message:
            self._refuse(
                name, f"cannot be filled; a producer may ask for: {', '.join(known)}", did_you_mean(name, known)
            )
        if self._body is not None:
            self._refuse(name, f"would be a second body beside {self._body!r}", f"Known names are: {', '.join(known)}")
        if name not in self._hints and name not in _BODY_NAMES:
            hint = did_you_mean(name, known) or "Annotate it with a type to get the decoded payload"
            self._refuse(name, f"cannot be filled; known names are: {', '.join(known)}", hint)
        self._body = name

    def _fill_all(self) -> None:
        if self._has_message and MESSAGE not in self._messages:
            self._messages.append(MESSAGE)
        for name in self._common:
            self._constants.setdefault(name, name)
        for name in self._level_names:
            self._levels.setdefault(name, str)

    def _refuse(
        self, parameter: str | None, reason: str, hint: str | None, *, cause: Exception | None = None
    ) -> NoReturn:
        culprit = f"handler {self._name}" if parameter is None else f"parameter {parameter!r} of {self._name}"
        raise SignatureError(f"{culprit} {reason}", handler=self._name, parameter=parameter, hint=hint) from cause


def _parameters(handler: Callable[..., object], name: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError) as error:
        text = f"the signature of {name} cannot be read: {error}"
        raise SignatureError(text, handler=name, hint="Give a function or an object with __call__") from error


def _is_async(handler: Callable[..., object]) -> bool:
    return any(inspect.iscoroutinefunction(code) for code in _code(handler))


def _code(handler: Callable[..., object]) -> Iterator[object]:
    """Yield what may be the function behind a handler: itself, or the method by which an object is called."""
    inner = getattr(handler, "func", handler)
    yield from (handler, inner, getattr(inner, "__call__", None))  # noqa: B004 - looked into, not asked for


def _shown(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) and get_origin(annotation) is None else repr(annotation)
