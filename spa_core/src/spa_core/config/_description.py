"""A configuration in one line for people; knows what is worth saying, secrets hide themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.config._fields import fields_of

if TYPE_CHECKING:
    from spa_core.config._transport_config import TransportConfig

__all__ = ["describe_config"]


def describe_config(config: TransportConfig) -> str:
    """
    Return one line with the fields that differ from their defaults, secrets as ``***``.

    Example:
        >>> from spa_core.config import TransportConfig
        >>> describe_config(TransportConfig(prefetch=5))
        'TransportConfig(prefetch=5)'
    """
    values = ((name, field, getattr(config, name)) for name, field in fields_of(type(config)).items())
    shown = ", ".join(f"{name}={value!r}" for name, field, value in values if not field.is_default(value))
    return f"{type(config).__name__}({shown})"
