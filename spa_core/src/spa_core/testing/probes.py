"""
Whether a capability works, whatever is declared: tried on the raw contract, past core's refusals.

What must be waited for is waited for if it is declared. If it is not, fences say when it is too late: so a probe may
overlook what works, and never takes for working what does not.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from spa_core.message import SpaMessage
from spa_core.testing.scenario import missing_capability
from spa_core.transport import ACK, BatchPublisher, Retry, SubscriptionSpec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from spa_core.testing.kit import Kit
    from spa_core.transport import Delivery, Subscription, TransportSocket

__all__ = ["PROBES", "works"]

_ROUNDS: Final = 20
"""Messages after which two subscriptions that both get everything have both got something."""

_FENCES: Final = 3
"""Fences that a message is given to come before: on another topic it need not come before the first."""

_SHORT: Final = 0.05
_EXPIRED: Final = 3.0
"""Seconds of a ``ttl``, and seconds after which it has ended, whatever a broker rounds it up to."""


async def works(kit: Kit, capability: str) -> bool:
    """
    Return whether *capability* works.

    Raises:
        Exception: What the transport raises for what it declares; for what it does not any error is an answer.
    """
    try:
        return await PROBES[capability](kit)
    except Exception:
        if _declares(kit, capability):
            raise
        return False


def _declares(kit: Kit, capability: str) -> bool:
    return missing_capability(kit.capabilities, [capability]) is None


# -- what a message carries --------------------------------------------------------------------------------------------


async def _headers(kit: Kit) -> bool:
    return (await _travelled(kit, headers={"kit": "1"})).headers.get("kit") == "1"


async def _key(kit: Kit) -> bool:
    return (await _travelled(kit, key=b"kit")).key == b"kit"


async def _timestamp(kit: Kit) -> bool:
    return (await _travelled(kit, timestamp=1_234_567_890.123)).timestamp == 1_234_567_890.123  # noqa: PLR2004 - as sent


async def _unicode_topics(kit: Kit) -> bool:
    topic = kit.topic("größe")
    [message] = await kit.travel(SpaMessage(topic=topic))
    return message.topic == topic


async def _travelled(kit: Kit, **fields: Any) -> SpaMessage:
    [message] = await kit.travel(SpaMessage(topic=kit.topic(), payload=b"probe", **fields))
    return message


async def _auto_create(kit: Kit) -> bool:
    topic = kit.unmade_topic()
    async with kit.socket() as socket, _joined(socket, topic, group=kit.own_group()) as subscription:
        await socket.publish(SpaMessage(topic=topic, payload=b"probe"))
        return _holds_probe(await kit.receive(subscription))


async def _ttl(kit: Kit) -> bool:
    topic, group = kit.topic(), kit.unique("group")
    async with kit.socket() as socket:
        async with _joined(socket, topic, group=group):
            pass
        await socket.publish(SpaMessage(topic=topic, payload=b"probe", ttl=_SHORT))
        pause, end = _SHORT, anyio.current_time() + _EXPIRED
        while True:
            # Not settled, so that each new member is given it again while it lives; so may the fences be, where
            # acknowledgements are in order, and there must not be many.
            await anyio.sleep(pause)
            pause *= 2
            async with _joined(socket, topic, group=group) as member:
                waiting = await kit.until_silent(member, socket, topic)
            if not _holds_probe(waiting):
                return True
            if anyio.current_time() > end:
                return False


async def _retain(kit: Kit) -> bool:
    topic = kit.topic()
    async with kit.socket() as socket:
        await socket.publish(SpaMessage(topic=topic, payload=b"probe", retain=True))
        async with _joined(socket, topic, group=kit.own_group()) as subscription:
            greeting = await _under_way(kit, "retain", subscription, socket, topic)
        await socket.publish(SpaMessage(topic=topic, retain=True))
    return any(delivery.message.retain for delivery in greeting)


# -- who gets what -----------------------------------------------------------------------------------------------------


async def _wildcards(kit: Kit) -> bool:
    base, fence = kit.topic(), kit.topic()
    async with kit.socket() as socket, _joined(socket, f"{base}/+", fence, group=kit.own_group()) as subscription:
        await socket.publish(SpaMessage(topic=f"{base}/level", payload=b"probe"))
        return _holds_probe(await _under_way(kit, "wildcards", subscription, socket, fence))


async def _groups(kit: Kit) -> bool:
    return not await _both_get_one(kit, kit.unique("group"))


async def _fanout(kit: Kit) -> bool:
    return await _both_get_one(kit, None)


async def _both_get_one(kit: Kit, group: str | None) -> bool:
    """Return whether some message came to both of two subscriptions."""
    topic = kit.topic()
    one: list[Delivery] = []
    other: list[Delivery] = []
    async with (
        kit.socket() as socket,
        _joined(socket, topic, group=group) as member,
        _joined(socket, topic, group=group) as partner,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_collect, member, one)
        tasks.start_soon(_collect, partner, other)
        for number in range(_ROUNDS):
            await kit.publish(socket, topic, b"%d" % number)
            await kit.until(lambda: len(_payloads(one + other)) > number, "one of two gets a message")  # noqa: B023
        tasks.cancel_scope.cancel()
    return not _payloads(one).isdisjoint(_payloads(other))


async def _replay(kit: Kit) -> bool:
    topic = kit.topic()
    async with kit.socket() as socket:
        await kit.publish(socket, topic, b"probe")
        async with _joined(socket, topic, group=kit.own_group()) as subscription:
            return _holds_probe(await _under_way(kit, "replay", subscription, socket, topic))


async def _durable(kit: Kit) -> bool:
    topic, group = kit.topic(), kit.unique("group")
    async with kit.socket() as socket:
        async with _joined(socket, topic, group=group):
            pass
        await kit.publish(socket, topic, b"probe")
        async with _joined(socket, topic, group=group) as member:
            return _holds_probe(await _under_way(kit, "durable", member, socket, topic))


async def _persistent(kit: Kit) -> bool:
    topic, group = kit.topic(), kit.unique("group")
    async with kit.socket() as socket, _joined(socket, topic, group=group):
        pass
    async with kit.socket() as socket:
        await kit.publish(socket, topic, b"probe")
    async with kit.socket() as socket, _joined(socket, topic, group=group) as member:
        return _holds_probe(await _under_way(kit, "persistent", member, socket, topic))


async def _reply(kit: Kit) -> bool:
    address, fence = f"{kit.provider.reply_prefix}/{kit.unique('nonce')}", kit.topic()
    async with kit.socket() as socket:
        replies = SubscriptionSpec(topics=(f"{address}/+",), reply=True)
        async with socket.subscribe(replies) as subscription, kit.subscribed(socket, fence) as other:
            await socket.publish(SpaMessage(topic=f"{address}/1", payload=b"probe"))
            if _declares(kit, "reply"):
                return _holds_probe(await kit.receive(subscription))
            got: list[Delivery] = []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_collect, subscription, got)
                for _ in range(_FENCES):
                    await kit.assert_silent(other, socket, fence)
                tasks.cancel_scope.cancel()
            return _holds_probe(got)


async def _collect(subscription: Subscription, got: list[Delivery]) -> None:
    while True:
        got += await subscription.receive_batch(10)


# -- how deliveries end ------------------------------------------------------------------------------------------------


async def _retry(kit: Kit) -> bool:
    topic = kit.topic()
    async with kit.socket() as socket, _joined(socket, topic, group=kit.group()) as subscription:
        await kit.publish(socket, topic, b"probe")
        [delivery] = await kit.receive(subscription)
        await delivery.settle(Retry())
        return _holds_probe(await _under_way(kit, "retry>=seek", subscription, socket, topic))


async def _retry_delay(kit: Kit) -> bool:
    topic = kit.topic()
    async with kit.socket() as socket, _joined(socket, topic, group=kit.group()) as subscription:
        await kit.publish(socket, topic, b"probe", b"at once")
        for delivery in await kit.receive(subscription, 2):
            await delivery.settle(Retry(delay=3600.0 if delivery.message.payload == b"probe" else 0.0))
        # By the time the other one is back, and some fences later, a delay that is ignored would have ended.
        back = [delivery.message.payload for delivery in await kit.receive(subscription)]
        for _ in range(_FENCES):
            back += [each.message.payload for each in await kit.until_silent(subscription, socket, topic)]
    return b"probe" not in back


async def _attempts(kit: Kit) -> bool:
    topic = kit.topic()
    async with kit.socket() as socket, _joined(socket, topic, group=kit.group()) as subscription:
        await kit.publish(socket, topic, b"probe")
        [delivery] = await kit.receive(subscription)
        await delivery.settle(ACK)
    return delivery.attempt is not None


# -- what a socket can do ----------------------------------------------------------------------------------------------


async def _batch_publish(kit: Kit) -> bool:
    async with kit.socket() as socket:
        return isinstance(socket, BatchPublisher)


async def _no_responders(kit: Kit) -> bool:
    async with kit.socket() as socket:
        return await socket.publish(SpaMessage(topic=kit.topic(), payload=b"probe")) is False


async def _restartable(kit: Kit) -> bool:
    for _ in range(2):
        async with kit.socket() as socket:
            await socket.check()
    return True


# -- tools -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _joined(socket: TransportSocket, *topics: str, group: str | None) -> AsyncGenerator[Subscription]:
    async with socket.subscribe(SubscriptionSpec(topics=topics, group=group)) as subscription:
        yield subscription


async def _under_way(
    kit: Kit, need: str, subscription: Subscription, socket: TransportSocket, fence: str
) -> list[Delivery]:
    """Return the delivery that must come if *need* is declared; if it is not, what comes before some fences."""
    if missing_capability(kit.capabilities, [need]) is None:
        return await kit.receive(subscription)
    return [each for _ in range(_FENCES) for each in await kit.until_silent(subscription, socket, fence)]


def _payloads(deliveries: list[Delivery]) -> set[bytes]:
    return {delivery.message.payload for delivery in deliveries}


def _holds_probe(deliveries: list[Delivery]) -> bool:
    return b"probe" in _payloads(deliveries)


PROBES: Final[dict[str, Callable[[Kit], Coroutine[Any, Any, bool]]]] = {
    "attempts": _attempts,
    "auto_create": _auto_create,
    "batch_publish": _batch_publish,
    "durable": _durable,
    "fanout": _fanout,
    "groups": _groups,
    "headers": _headers,
    "key": _key,
    "no_responders": _no_responders,
    "persistent": _persistent,
    "replay": _replay,
    "reply": _reply,
    "restartable": _restartable,
    "retain": _retain,
    "retry>=seek": _retry,
    "retry_delay": _retry_delay,
    "timestamp": _timestamp,
    "ttl": _ttl,
    "unicode_topics": _unicode_topics,
    "wildcards": _wildcards,
}
"""How each capability is tried that can be; by what is declared, as in the gate of a scenario."""
