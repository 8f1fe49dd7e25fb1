"""
The wire format of spa-dat in both its dialects; knows JSON objects and nothing of brokers.

spa-dat puts a whole message as one JSON object into the body, on every broker, and uses no field of the broker's own.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import msgspec

from spa_core.errors import EncodeError, ParameterError

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

__all__ = ["SpaDatEnvelope"]

Dialect = Literal["0.3", "0.4"]

_DIALECTS: Final = get_args(Dialect)
_REQUESTS_REMEMBERED: Final = 4096


class _Object04(msgspec.Struct, rename="pascal", gc=False):
    """What 0.4 writes: always all of these keys, in this order."""

    payload: str
    topic: str
    content_type: str | None
    client_id: str | None
    client_name: str | None
    quality_of_service: Annotated[int, msgspec.Meta(ge=0, le=2)] | None
    response_topic: str | None
    timestamp: float | None


class _Object03(msgspec.Struct, gc=False):
    """What versions up to 0.3 write: always all of these keys, in this order."""

    payload: str
    topic: str
    content_type: str | None
    client_name: str | None
    response_topic: str | None
    timestamp: float | None


_write: Final = msgspec.json.Encoder().encode
_READERS: Final[tuple[tuple[Dialect, Any], ...]] = (
    ("0.4", msgspec.json.Decoder(_Object04).decode),
    ("0.3", msgspec.json.Decoder(_Object03).decode),
)


class SpaDatEnvelope:
    """
    The envelope of spa-dat: reads both dialects, writes one, and answers in the dialect of the request.

    0.4 writes ``Payload, Topic, ContentType, ClientId, ClientName, QualityOfService, ResponseTopic, Timestamp``; up to
    0.3 it was ``payload, topic, content_type, client_name, response_topic, timestamp``.

    **What counts as an envelope.** spa-dat always writes every key of its dialect. So a payload is an envelope if and
    only if it is a JSON object that has them all, with a string as payload and as topic, and a value of its type or
    null elsewhere. Further keys are ignored, as spa-dat ignores them. An application's own object that happens to have
    a ``payload`` and a ``topic`` is left alone.

    **What it holds.** Payload, content type, client name, response topic and timestamp in whole seconds; in 0.4 also
    the client id and the quality of service, and the latter stays on the outer message as well because it steers the
    transport. Key, headers, correlation id, message id and the rest stay native: nothing is lost on a transport that
    has them, and spa-dat ignores them. spa-dat refuses null as a timestamp or quality of service, so a message without
    them is written with the present time and with 2, its default. The topic inside is not read: a message belongs where
    the broker delivered it.

    **Which dialect answers.** A request in the other dialect is remembered by its response topic, the latest 4,096 of
    them, and what goes to that topic is written in its dialect.

    Args:
        dialect: What is written where no request says otherwise.

    Raises:
        ParameterError: No such dialect.

    Example:
        >>> from spa_core.message import SpaMessage
        >>> envelope = SpaDatEnvelope()
        >>> wire = envelope.wrap(SpaMessage(topic="plants/north", payload="100.6", timestamp=1.0))
        >>> wire.payload[:41]
        b'{"Payload":"100.6","Topic":"plants/north"'
        >>> envelope.unwrap(wire).payload
        b'100.6'
    """

    def __init__(self, dialect: Dialect = "0.4") -> None:
        if dialect not in _DIALECTS:
            raise ParameterError(
                f"spa-dat has no dialect {dialect!r}; allowed are: {', '.join(_DIALECTS)}",
                parameter="dialect",
                allowed=_DIALECTS,
            )
        self.dialect: Final = dialect
        self._reply_dialects = _ReplyDialects(_REQUESTS_REMEMBERED)

    def wrap(self, message: SpaMessage) -> SpaMessage:
        """
        Return *message* as it goes on the wire.

        Raises:
            EncodeError: The payload is not UTF-8 text, which is all the format carries, or another field does not fit.
        """
        dialect = self._reply_dialects.of(message.topic) or self.dialect
        return _wrapped_04(message) if dialect == "0.4" else _wrapped_03(message)

    def unwrap(self, message: SpaMessage) -> SpaMessage:
        """Return the message inside, or the very same object if its payload is not this envelope."""
        if not message.payload.startswith(b"{"):
            return message
        for dialect, read in _READERS:
            try:
                inner: _Object04 | _Object03 = read(message.payload)
            except (ValueError, RecursionError):  # not JSON, another object, or nested beyond reason
                continue
            if inner.response_topic:
                self._reply_dialects.note(inner.response_topic, None if dialect == self.dialect else dialect)
            return _unwrapped(message, inner)
        return message

    def __repr__(self) -> str:
        return f"SpaDatEnvelope({self.dialect!r})"


class _ReplyDialects:
    """The dialects that replies need, by topic; forgets the ones noted longest ago, and may be used from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._dialects: OrderedDict[str, Dialect] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, topic: str) -> Dialect | None:
        return self._dialects.get(topic)

    def note(self, topic: str, dialect: Dialect | None) -> None:
        if dialect is None and topic not in self._dialects:
            return  # the common case: nobody speaks another dialect
        with self._lock:
            self._dialects.pop(topic, None)
            if dialect is not None:
                self._dialects[topic] = dialect
            if len(self._dialects) > self._limit:
                self._dialects.popitem(last=False)


def _wrapped_04(message: SpaMessage) -> SpaMessage:
    inner = _Object04(
        payload=_text(message),
        topic=message.topic,
        content_type=message.content_type,
        client_id=message.client_id,
        client_name=message.client_name,
        quality_of_service=_quality_of_service(message),
        response_topic=message.response_topic,
        timestamp=_seconds(message),
    )
    return _outer(message, inner, client_id=None)


def _wrapped_03(message: SpaMessage) -> SpaMessage:
    inner = _Object03(
        payload=_text(message),
        topic=message.topic,
        content_type=message.content_type,
        client_name=message.client_name,
        response_topic=message.response_topic,
        timestamp=_seconds(message),
    )
    return _outer(message, inner)


def _outer(message: SpaMessage, inner: _Object04 | _Object03, **held: None) -> SpaMessage:
    try:
        payload = _write(inner)
    except UnicodeEncodeError as cause:
        raise _misfit(message, f"a field is not valid Unicode ({cause})") from cause
    return message.replace(
        payload=payload, content_type=None, client_name=None, response_topic=None, timestamp=None, **held
    )


def _unwrapped(message: SpaMessage, inner: _Object04 | _Object03) -> SpaMessage:
    changes: dict[str, Any] = {"payload": inner.payload.encode(), "content_type": inner.content_type}
    for field in ("client_id", "client_name", "quality_of_service", "response_topic", "timestamp"):
        value = getattr(inner, field, None)
        if value is not None:
            changes[field] = value
    return message.replace(**changes)


def _text(message: SpaMessage) -> str:
    try:
        return message.payload.decode()
    except UnicodeDecodeError as cause:
        raise _misfit(
            message,
            f"its payload of {len(message.payload)} bytes is not UTF-8, and the format carries text only",
            hint="Write bytes as text, such as Base64, or leave the envelope: give a URL or a plain config",
        ) from cause


def _seconds(message: SpaMessage) -> int:
    timestamp = time.time() if message.timestamp is None else message.timestamp
    if not math.isfinite(timestamp):
        raise _misfit(message, f"its timestamp is {timestamp}")
    return math.floor(timestamp)


def _quality_of_service(message: SpaMessage) -> int:
    level = 2 if message.quality_of_service is None else message.quality_of_service
    if level not in (0, 1, 2):
        raise _misfit(message, f"its quality of service is {level}, not 0, 1 or 2")
    return int(level)


def _misfit(message: SpaMessage, reason: str, *, hint: str | None = None) -> EncodeError:
    return EncodeError(
        f"the message for {message.topic!r} does not fit the spa-dat envelope: {reason}",
        content_type=message.content_type,
        hint=hint,
    )
