"""
From a signature to a call: the arguments of a handler for each message, and threads for plain functions.

Everything that does not change from message to message is put together once, before the first one.
"""

from __future__ import annotations

import inspect
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import msgspec

from spa_core._application.signature import BUILDER, SOCKET, STATE
from spa_core.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from spa_core._application.signature import Signature
    from spa_core._messaging.socket import SpaSocket
    from spa_core.codecs import CodecRegistry
    from spa_core.message import SpaMessage
    from spa_core.topics import TopicTemplate

_REMEMBERED: Final = 1024
"""Topics whose parameters are remembered: few applications see more."""


def constant_arguments(
    signature: Signature, *, socket: SpaSocket, state: object, builder: object, resources: Mapping[str, object]
) -> dict[str, Any]:
    """Return the arguments that are the same for every message."""
    values = {SOCKET: socket, STATE: state, BUILDER: builder, **resources}
    return {parameter: values[name] for parameter, name in signature.constants.items()}


def message_arguments(
    signature: Signature, constants: Mapping[str, Any], *, codecs: CodecRegistry, templates: Sequence[TopicTemplate]
) -> Callable[[SpaMessage], dict[str, Any]]:
    """
    Return what makes a handler's arguments for a message.

    The returned function raises ``CodecError`` if the payload or a level of the topic cannot be decoded.
    """
    fixed = dict(constants)
    names = signature.messages
    body = signature.body
    decode = codecs.decoder(signature.body_type) if body is not None else None

    def bind(message: SpaMessage) -> dict[str, Any]:
        arguments = fixed.copy()
        for name in names:
            arguments[name] = message
        if decode is not None:
            arguments[body] = decode(message)  # type: ignore[index]  # decode and body are set together
        return arguments

    if not signature.levels:
        return bind
    read_levels = _level_reader(signature.levels, templates)

    def bind_with_levels(message: SpaMessage) -> dict[str, Any]:
        arguments = bind(message)
        arguments.update(read_levels(message.topic))
        return arguments

    return bind_with_levels


def callable_handler(handler: Callable[..., Any], *, is_async: bool, threads: int) -> Callable[..., Awaitable[Any]]:
    """
    Return *handler* as something to await.

    A plain function runs in a worker thread, at most *threads* at once, never on the event loop. It cannot be
    interrupted: if the application is cancelled meanwhile, its thread is left to finish by itself and its message
    stays unsettled.
    """
    if is_async:
        return handler
    limiter: list[anyio.CapacityLimiter] = []

    async def in_thread(**arguments: object) -> object:
        if not limiter:
            # Made late: a limiter belongs to the event loop it is made in.
            limiter.append(anyio.CapacityLimiter(threads))
        # In a list, because trio refuses a coroutine as the result of a thread.
        call = partial(_in_list, handler, arguments)
        (result,) = await anyio.to_thread.run_sync(call, limiter=limiter[0], abandon_on_cancel=True)
        # A lambda or decorator around a coroutine function looks plain, and its coroutine must not be dropped unrun.
        return await result if inspect.isawaitable(result) else result

    return in_thread


def _in_list(handler: Callable[..., object], arguments: Mapping[str, object]) -> list[object]:
    return [handler(**arguments)]


def _level_reader(levels: Mapping[str, Any], templates: Sequence[TopicTemplate]) -> Callable[[str], dict[str, Any]]:
    plain = all(annotation is str for annotation in levels.values())

    # The caller copies what it gets. A flood of unique topics only pushes out older ones.
    @lru_cache(_REMEMBERED)
    def read(topic: str) -> dict[str, Any]:
        for template in templates:
            values = template.match(topic)
            if values is not None and levels.keys() <= values.keys():
                return values if plain and len(values) == len(levels) else _convert(topic, levels, values)
        # Only a transport that delivers what was not subscribed to gets here.
        text = f"topic {topic!r} matches none of {', '.join(template.text for template in templates)}"
        raise DecodeError(text, content_type=None)

    return read


def _convert(topic: str, levels: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, annotation in levels.items():
        try:
            converted[name] = msgspec.convert(values[name], annotation, strict=False)
        except msgspec.ValidationError as error:
            text = f"level {{{name}}} of topic {topic!r} does not fit: {error}"
            raise DecodeError(text, content_type=None) from error
    return converted
