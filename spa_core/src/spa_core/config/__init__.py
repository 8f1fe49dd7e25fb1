"""Typed, frozen configurations of transports; knows types and units, not what any transport does with a value."""

from __future__ import annotations

from spa_core.config._conversion import config_from_url, replace_config, validate_config
from spa_core.config._description import describe_config
from spa_core.config._transport_config import TransportConfig
from spa_core.config._units import ByteSize, Seconds

__all__ = [
    "ByteSize",
    "Seconds",
    "TransportConfig",
    "config_from_url",
    "describe_config",
    "replace_config",
    "validate_config",
]
