"""
What a transport declares about itself, and the checks that keep callers to it.

Core asks capabilities, never a broker's name, and asks before any I/O: what is not declared is refused with one
sentence where the application is wired, not on its first message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from spa_core.errors import CapabilityError, MessageTooLargeError
from spa_core.message import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from spa_core.message import SpaMessage
    from spa_core.transport.contract import SubscriptionSpec

__all__ = ["Capabilities", "check_subscription", "message_check"]

# What a message's field is while the sender has not set it; an empty key and a ttl of 0 are set.
_ABSENT: Final[dict[str, object]] = {"headers": NO_HEADERS, "key": None, "ttl": None, "retain": False}


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one provider's transport can do, known before connecting.

    The value may depend on the configuration (MQTT 3.1.1 has no headers, MQTT 5 has). A declared capability is
    enforced by the conformance kit, an undeclared one is refused by core. The defaults declare nothing.

    Attributes:
        headers: ``SpaMessage.headers`` arrive as they were sent.
        key: ``SpaMessage.key`` arrives as it was sent.
        ttl: ``SpaMessage.ttl`` is honoured: an expired message is not delivered.
        retain: ``SpaMessage.retain`` keeps the last message of a topic for later subscribers.
        timestamp: ``SpaMessage.timestamp`` arrives as it was sent, to the millisecond.
        max_payload: Largest payload in bytes; ``None`` is no limit known.
        unicode_topics: Topics may hold characters beyond ASCII.
        confirms: What a returned ``publish`` proves: ``"none"``, ``"local"`` (handed to the operating system) or
            ``"broker"`` (the broker has it).
        batch_publish: The socket has ``publish_many``; without it core publishes one by one.
        no_responders: ``publish`` returns ``False`` when nobody listens on the topic.
        auto_create: Topics need not exist before they are used.
        wildcards: ``"mqtt"`` if subscriptions may hold ``+`` and ``#``, else ``"none"``.
        groups: Subscriptions may name a group whose members share the messages.
        fanout: Every subscription without a group gets every message.
        replay: A new subscription sees messages published before it.
        durable: A group keeps its messages while it has no members.
        ordering: Order that is kept: ``"none"``, ``"single"`` (one consumer), ``"key"`` (of each key, however many
            consumers) or ``"topic"``.
        ack: ``"none"``, ``"individual"`` or ``"cumulative"`` acknowledgement at the broker.
        retry: How ``Retry`` reaches the message again: ``"none"``, ``"reconnect"``, ``"seek"`` or ``"native"``.
        retry_delay: ``Retry(delay)`` is honoured.
        attempts: Deliveries count their attempts.
        prefetch: ``SubscriptionSpec.prefetch`` bounds the unsettled messages of a subscription.
        reply: Requests can be answered (all a transport needs is to deliver messages to a reply subscription).
        reconnect: A lost connection is restored without the caller's help.
        restartable: A provider can open sockets again after they were closed.
        persistent: Messages outlive the last open socket.
        single_process: The broker lives in this process.
        health: ``check()`` proves that the broker answers.
    """

    headers: bool = False
    key: bool = False
    ttl: bool = False
    retain: bool = False
    timestamp: bool = False
    max_payload: int | None = None
    unicode_topics: bool = False
    confirms: Literal["none", "local", "broker"] = "none"
    batch_publish: bool = False
    no_responders: bool = False
    auto_create: bool = False
    wildcards: Literal["none", "mqtt"] = "none"
    groups: bool = False
    fanout: bool = False
    replay: bool = False
    durable: bool = False
    ordering: Literal["none", "single", "key", "topic"] = "none"
    ack: Literal["none", "individual", "cumulative"] = "none"
    retry: Literal["none", "reconnect", "seek", "native"] = "none"
    retry_delay: bool = False
    attempts: bool = False
    prefetch: bool = False
    reply: bool = False
    reconnect: bool = False
    restartable: bool = False
    persistent: bool = False
    single_process: bool = False
    health: bool = False


def check_subscription(capabilities: Capabilities, spec: SubscriptionSpec, *, transport: str) -> None:
    """
    Refuse a subscription that asks for what the transport does not declare.

    Raises:
        CapabilityError: A group, a wildcard, fan-out or replies are asked for and not declared.
    """
    asked = ", ".join(spec.topics)
    if spec.reply and not capabilities.reply:
        _refuse("reply", "requests", transport, "Publish, and let the answer be published to a topic of its own")
    if spec.group is not None and not capabilities.groups:
        _refuse(
            "groups", f"group {spec.group!r} on {asked}", transport, "Leave group= out: every instance then gets all"
        )
    if spec.group is None and not spec.reply and not capabilities.fanout:
        _refuse(
            "fanout", f"every message of {asked} for each instance", transport, "Name a group= to share the messages"
        )
    if capabilities.wildcards == "none" and not spec.reply:
        for topic in spec.topics:
            if "+" in topic or "#" in topic:
                _refuse("wildcards", f"the pattern {topic!r}", transport, "List the topics one by one")


def message_check(capabilities: Capabilities, *, transport: str) -> Callable[[SpaMessage], None] | None:
    """
    Return what refuses messages the transport cannot carry, or ``None`` if it carries all of them.

    Worked out once for each socket, so that a transport which can do everything pays nothing for a message.

    Returns:
        A function that raises ``CapabilityError`` for a field that would be lost, or ``MessageTooLargeError``.
    """
    missing = [(name, absent) for name, absent in _ABSENT.items() if not getattr(capabilities, name)]
    limit = capabilities.max_payload
    if not missing and limit is None and capabilities.unicode_topics:
        return None

    def check(message: SpaMessage) -> None:
        for name, absent in missing:
            if getattr(message, name) != absent:
                _refuse(name, f"a message with {name} on {message.topic!r}", transport, f"Publish it without {name}=")
        if limit is not None and len(message.payload) > limit:
            raise MessageTooLargeError(
                f"message on {message.topic!r} has {len(message.payload)} bytes, {transport} takes {limit}",
                topic=message.topic,
                size=len(message.payload),
                limit=limit,
            )
        if not capabilities.unicode_topics and not message.topic.isascii():
            _refuse("unicode_topics", f"the topic {message.topic!r}", transport, "Use ASCII topics")

    return check


def _refuse(capability: str, asked: str, transport: str, hint: str) -> None:
    text = f"{transport} does not declare {capability!r}, which is needed for {asked}"
    raise CapabilityError(text, capability=capability, transport=transport, hint=hint)
