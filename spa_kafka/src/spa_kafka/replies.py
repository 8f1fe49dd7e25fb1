"""
The addresses of replies, and the topics they are stored in; pure text, see ``spa_kafka.topics`` for all others.

Each request has an address of its own, ``spa/reply/{nonce}/{number}``. A topic for each would be dear, so all replies
to one socket share the topic ``spa.reply.{nonce}``, and the address travels in a header. Who answers knows nothing of
that: publishing to ``message.response_topic`` is enough.

Three kinds of answers find their request:

- one published through SPA, by the address in its header;
- one from a plain Kafka client that published to the topic named by the request's header ``spa-reply-to`` and copied
  ``spa-topic`` or ``spa-correlation-id`` from the request: by either (by the latter where the requester left the
  correlation id to SPA);
- one published to ``spa.reply.{nonce}.{number}``, a topic for that request alone: by the topic's name. That is what a
  node of spa-dat is given, which knows of no header; see ``spa_kafka.envelope``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spa_kafka.topics import levels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REPLY_PREFIX", "is_own_topic", "is_reply_topic", "names_from", "own_topic", "reply_address", "shared_topic"]

REPLY_PREFIX: Final = "spa/reply"
"""First levels of all addresses; the same in every process, so that each knows the addresses of others."""

_MARK: Final = "spa.reply."
_ORIGINS: Final = "_request_response"
"""What the names end with that nodes of spa-dat give to their topics for replies."""

_ADDRESS: Final = re.compile(r"(spa/reply/[0-9a-zA-Z_-]+)/([^/]+)")
_OWN_TOPIC: Final = re.compile(r"(spa\.reply\.[0-9a-zA-Z_-]+)\.([0-9a-zA-Z_-]+)")


def shared_topic(address: str) -> str | None:
    """
    Return Kafka's name of the topic that replies to *address* share; ``None`` if it is no address of a reply.

    Args:
        address: A topic, or the filter ``spa/reply/{nonce}/+``.

    Example:
        >>> shared_topic("spa/reply/6f1c/17"), shared_topic("plants/flow")
        ('spa.reply.6f1c', None)
    """
    found = _ADDRESS.fullmatch(address)
    return None if found is None else found[1].replace("/", ".")


def own_topic(address: str) -> str | None:
    """
    Return Kafka's name of a topic for the one reply to *address*; ``None`` if it is no address of a reply.

    Example:
        >>> own_topic("spa/reply/6f1c/17")
        'spa.reply.6f1c.17'
    """
    found = _ADDRESS.fullmatch(address)
    return None if found is None else address.replace("/", ".")


def names_from(name: str, count: int) -> list[str]:
    """
    Return Kafka's name of a topic for one reply, and those for the replies to the requests that follow.

    Example:
        >>> names_from("spa.reply.6f1c.17", 3)
        ['spa.reply.6f1c.17', 'spa.reply.6f1c.18', 'spa.reply.6f1c.19']
    """
    shared, _, last = name.rpartition(".")
    if not last.isdecimal():
        return [name]
    return [f"{shared}.{number}" for number in range(int(last), int(last) + count)]


def is_own_topic(name: str, shared: str) -> bool:
    """Return whether Kafka's *name* is that of a topic for one reply to the socket whose replies share *shared*."""
    found = _OWN_TOPIC.fullmatch(name)
    return found is not None and found[1] == shared


def is_reply_topic(name: str) -> bool:
    """Return whether Kafka's *name* is that of a topic for replies, which only who asks makes: a socket, or spa-dat."""
    return name.startswith(_MARK) or name.endswith(_ORIGINS)


def reply_address(name: str, headers: Mapping[str, bytes | None]) -> str:
    """
    Return the address that a reply was sent to.

    Args:
        name: Kafka's name of the topic it arrived on.
        headers: The record's headers: ``spa-topic`` and ``spa-correlation-id`` count.

    Returns:
        The address; one that no request has if nothing says more than the topic.
    """
    if _OWN_TOPIC.fullmatch(name) is not None:
        return levels_of(name)
    address = (headers.get("spa-topic") or b"").decode(errors="surrogateescape")
    if shared_topic(address) == name:
        return address
    correlation = (headers.get("spa-correlation-id") or b"").decode(errors="surrogateescape")
    return f"{levels_of(name)}/{correlation}"
