"""
Everything a transport author needs, under one import.

A transport gives a :class:`SocketProvider` (in :mod:`spa_core`), whose ``open()`` returns a :class:`TransportSocket`.
"""

from __future__ import annotations

from spa_core.transport.backoff import Backoff
from spa_core.transport.capabilities import Capabilities, check_subscription, message_check
from spa_core.transport.context import current_delivery
from spa_core.transport.contract import (
    BatchPublisher,
    ConnectionEvent,
    ConnectionListener,
    Counting,
    Delivery,
    Subscription,
    SubscriptionSpec,
    TransportSocket,
)
from spa_core.transport.inbox import BoundedInbox, Overflow
from spa_core.transport.settlement import ACK, Ack, Outcome, Reject, Retry, SettleOnce
from spa_core.transport.watermark import OffsetWatermark

__all__ = [
    "ACK",
    "Ack",
    "Backoff",
    "BatchPublisher",
    "BoundedInbox",
    "Capabilities",
    "ConnectionEvent",
    "ConnectionListener",
    "Counting",
    "Delivery",
    "OffsetWatermark",
    "Outcome",
    "Overflow",
    "Reject",
    "Retry",
    "SettleOnce",
    "Subscription",
    "SubscriptionSpec",
    "TransportSocket",
    "check_subscription",
    "current_delivery",
    "message_check",
]
