"""
Hypothesis strategies for what SPA carries: topics, filters, headers, payloads, messages, and schedules of faults.

Whatever they draw is valid by construction, so that a test which fails has found a fault and no invalid input. They
know the rules of values and nothing of sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from hypothesis import strategies as st

from spa_core._suggest import did_you_mean
from spa_core.errors import ParameterError
from spa_core.message import SpaMessage
from spa_core.testing.faults import FAULT_KINDS, Fault, FaultSchedule
from spa_core.topics import validate_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from spa_core.testing.faults import FaultKind
    from spa_core.transport import Capabilities

__all__ = [
    "fault_schedules",
    "filters",
    "headers",
    "json_values",
    "matching_topics",
    "messages",
    "topics",
]

_MAX_LEVELS: Final = 200
_MAX_BYTES: Final = 65_535
_LEVEL_LENGTH: Final = 12  # characters
_LEVEL_BYTES: Final = 1 + 4 * _LEVEL_LENGTH  # at most, with a '/'
_REST: Final = 3  # levels drawn for a '#', at most

# Control characters, surrogates and what no standard has assigned (non-characters among it): brokers refuse them.
_REFUSED: Final = ("Cc", "Cs", "Cn")
_YEAR_2100: Final = 4_102_444_800  # seconds since the epoch


def topics(*, max_levels: int = 5, unicode: bool = True, dollar: bool = False) -> SearchStrategy[str]:
    """
    Draw topics that messages can be published to on every transport.

    Levels may be empty and may hold spaces, braces, dots and any alphabet.

    Args:
        max_levels: The most levels, 1 to 200.
        unicode: Whether to go beyond ASCII; not every transport declares ``unicode_topics``.
        dollar: Whether some begin with ``$``; brokers use such topics for themselves.

    Raises:
        ParameterError: *max_levels* is out of range.
    """
    return _joined(lambda size: _first_level(size, unicode=unicode, dollar=dollar), _level(unicode=unicode), max_levels)


def filters(*, max_levels: int = 5, unicode: bool = True, dollar: bool = False) -> SearchStrategy[str]:
    """
    Draw filters, with wildcards and without, that can be subscribed to wherever wildcards are declared.

    Args:
        max_levels: The most levels, 1 to 200.
        unicode: Whether to go beyond ASCII.
        dollar: Whether some begin with ``$``.

    Raises:
        ParameterError: *max_levels* is out of range.
    """

    def first(size: int) -> SearchStrategy[str]:
        return st.just("+") | _first_level(size, unicode=unicode, dollar=dollar)

    level = st.just("+") | _level(unicode=unicode)
    drawn = _joined(first, level, max_levels) | st.just("#")
    return drawn if max_levels == 1 else drawn | _joined(first, level, max_levels - 1).map(lambda text: f"{text}/#")


def matching_topics(topic_filter: str, *, unicode: bool = True) -> SearchStrategy[str]:
    """
    Draw topics that a filter selects.

    Args:
        topic_filter: The filter; ``TopicTemplate(text).filter`` is that of a template.
        unicode: Whether to go beyond ASCII in place of a wildcard.

    Raises:
        TopicError: *topic_filter* is none.
    """
    levels = validate_filter(topic_filter).split("/")
    if levels == ["#"]:
        return topics(unicode=unicode)
    wildcards = levels.count("+") + _REST
    # Where the limits are near, a wildcard takes no more room than it did in the filter.
    roomy = len(topic_filter.encode()) + wildcards * _LEVEL_BYTES <= _MAX_BYTES
    level = _level(unicode=unicode) if roomy else st.just("0")
    rest: SearchStrategy[list[str]] = st.just([])
    if levels[-1] == "#":
        levels.pop()
        at_least = 1 if levels == [""] else 0  # "" is no topic
        rest = st.lists(level, min_size=at_least, max_size=min(_REST, _MAX_LEVELS - len(levels)) if roomy else 0)
    drawn = [level if text == "+" else st.just(text) for text in levels]
    if levels[0] == "+" and roomy:
        drawn[0] = _first_level(1 if len(levels) == 1 else 0, unicode=unicode, dollar=False)
    return st.builds(_topic, st.tuples(*drawn), rest)


def headers(*, max_size: int = 5, unicode: bool = True) -> SearchStrategy[dict[str, str]]:
    """
    Draw headers: names that are not empty and do not begin with ``spa-``, which is SPA's own, and any printable values.

    Args:
        max_size: The most headers.
        unicode: Whether to go beyond ASCII.
    """
    printable = _characters(unicode=unicode)
    usual = st.sampled_from(["traceparent", "Content-Type", "content-type", "spa-error"])
    name = (usual | st.text(printable, min_size=1, max_size=20)).map(lambda text: "x" + text if _is_own(text) else text)
    return st.dictionaries(name, st.text(printable, max_size=40), max_size=max_size)


def json_values(*, max_leaves: int = 10) -> SearchStrategy[Any]:
    """
    Draw values that survive JSON and MessagePack: ``None``, booleans, 64-bit integers, floats, text, lists and dicts.

    Args:
        max_leaves: The most values in one value.
    """
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    leaves: SearchStrategy[Any] = st.none() | st.booleans() | numbers | text
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=max_leaves,
    )


def messages(*, capabilities: Capabilities | None = None, **fields: SearchStrategy[Any]) -> SearchStrategy[SpaMessage]:
    """
    Draw messages whose payloads fit their content types.

    Ids are not drawn but unique. ``retain`` and ``quality_of_service`` stay as they are by default, since they change
    what becomes of a message.

    Args:
        capabilities: Draw only what a transport with these can carry; ``None``: all there is.
        **fields: Strategies for fields of :class:`SpaMessage`, instead of those here. Where the payload or the content
            type is among them, the other one is left at its default unless it is too.

    Raises:
        ParameterError: A message has no such field.

    Example:
        >>> from hypothesis import strategies as st
        >>> flows = messages(topic=matching_topics("plants/+/flow"), payload=st.just(b"100.6"))
    """
    for name in fields.keys() - set(SpaMessage.__struct_fields__):
        known = SpaMessage.__struct_fields__
        hint = did_you_mean(name, known)
        raise ParameterError(f"a message has no field {name!r}", parameter=name, allowed=known, hint=hint)
    own_body = not fields.keys() & {"payload", "content_type"}
    limit = None if capabilities is None else capabilities.max_payload
    nothing: dict[str, Any] = {}
    body = _bodies(limit) if own_body else st.just(nothing)
    return st.builds(_message, body, st.fixed_dictionaries(_fields(capabilities) | fields))


def fault_schedules(
    *,
    messages: int = 50,
    kinds: Sequence[FaultKind] = FAULT_KINDS,
    max_faults: int = 8,
    max_count: int = 3,
    max_seconds: float = 5.0,
) -> SearchStrategy[FaultSchedule]:
    """
    Draw schedules of faults; they shrink to those few faults that matter.

    Args:
        messages: How many messages the run has.
        kinds: What may go wrong, at least one kind.
        max_faults: The most faults in one schedule.
        max_count: The most messages that a duplicate or a reordering is about.
        max_seconds: The longest delay or disconnection, in seconds.
    """
    if messages < 1:
        return st.just(FaultSchedule())
    count = st.integers(1, max_count)
    seconds = st.integers(0, int(max_seconds * 1000)).map(lambda milliseconds: milliseconds / 1000)
    sizes: dict[str, dict[str, SearchStrategy[Any]]] = {
        "delay": {"seconds": seconds},
        "disconnect": {"seconds": seconds},
        "duplicate": {"count": count},
        "reorder": {"count": count},
    }
    position = st.integers(0, messages - 1)
    fault = st.one_of(
        [st.builds(Fault, kind=st.just(kind), position=position, **sizes.get(kind, {})) for kind in kinds]
    )
    faults = st.lists(fault, max_size=min(max_faults, messages), unique_by=lambda fault: fault.position)
    return faults.map(lambda drawn: FaultSchedule(tuple(drawn)))


def _characters(*, unicode: bool, refused: str = "") -> SearchStrategy[str]:
    if unicode:
        return st.characters(exclude_categories=_REFUSED, exclude_characters=refused)
    return st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=refused)


def _level(min_size: int = 0, *, unicode: bool, refused: str = "/+#") -> SearchStrategy[str]:
    return st.text(_characters(unicode=unicode, refused=refused), min_size=min_size, max_size=_LEVEL_LENGTH)


def _first_level(min_size: int, *, unicode: bool, dollar: bool) -> SearchStrategy[str]:
    plain = _level(min_size, unicode=unicode, refused="/+#$")
    if not dollar:
        return plain
    own = st.sampled_from(["SYS", "share"]) | _level(unicode=unicode)
    # "$share/" is kept for brokers.
    return plain | own.map(lambda text: "$shared" if text == "share" else "$" + text)


def _joined(
    first: Callable[[int], SearchStrategy[str]], level: SearchStrategy[str], max_levels: int
) -> SearchStrategy[str]:
    """Join levels; *first* makes the strategy of the first one for its least length, as it may not be empty alone."""
    if not 1 <= max_levels <= _MAX_LEVELS:
        message = f"max_levels is {max_levels}; allowed is: 1 to {_MAX_LEVELS}"
        raise ParameterError(message, parameter="max_levels", allowed=(f"1 to {_MAX_LEVELS}",))
    if max_levels == 1:
        return first(1)
    more = st.lists(level, min_size=1, max_size=max_levels - 1)
    return first(1) | st.builds(_topic, st.tuples(first(0)), more)


def _topic(begin: Sequence[str], rest: Sequence[str]) -> str:
    return "/".join([*begin, *rest])


def _message(body: Mapping[str, Any], others: Mapping[str, Any]) -> SpaMessage:
    return SpaMessage(**body, **others)


def _is_own(header: str) -> bool:
    return header.lower().startswith("spa-")


def _bodies(limit: int | None) -> SearchStrategy[dict[str, Any]]:
    def body(content_type: str | None, payload: bytes) -> dict[str, Any]:
        fits = limit is None or len(payload) <= limit
        return {"content_type": content_type, "payload": payload} if fits else {}

    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    binary = st.binary(max_size=60 if limit is None else min(limit, 60))
    return (
        st.builds(body, st.none() | st.just("application/octet-stream"), binary)
        | st.builds(body, st.just("text/plain"), text.map(str.encode))
        | st.builds(body, st.just("application/json"), json_values().map(msgspec.json.encode))
        | st.builds(body, st.just("application/msgpack"), json_values().map(msgspec.msgpack.encode))
    )


def _fields(capabilities: Capabilities | None) -> dict[str, SearchStrategy[Any]]:
    def can(capability: str) -> bool:
        return capabilities is None or bool(getattr(capabilities, capability))

    unicode = can("unicode_topics")
    name = st.none() | st.text(_characters(unicode=True), min_size=1, max_size=20)
    always = {
        "topic": topics(unicode=unicode),
        "client_id": name,
        "client_name": name,
        "response_topic": st.none() | topics(unicode=unicode),
        "correlation_id": name,
    }
    declared = {
        "headers": headers(),
        "key": st.none() | st.binary(max_size=20),
        "timestamp": st.none() | st.integers(0, _YEAR_2100 * 1000).map(lambda milliseconds: milliseconds / 1000),
        "ttl": st.none() | st.integers(60, 86_400).map(float),  # whole seconds, and none that a test reaches
    }
    return always | {field: strategy for field, strategy in declared.items() if can(field)}
