"""
Messages wrapped into their own payload, as the deployed nodes of spa-dat expect them.

This package knows wire dialects and nothing of sockets or brokers.
"""

from __future__ import annotations

from spa_core.envelopes._origin import PayloadFormat, SocketConfig, envelope_for
from spa_core.envelopes._protocol import Envelope
from spa_core.envelopes._spa_dat import SpaDatEnvelope

__all__ = ["Envelope", "PayloadFormat", "SocketConfig", "SpaDatEnvelope", "envelope_for"]
