"""
SPA's Kafka transport; knows nothing of applications.

This module only hands names on, and imports what a name stands for when it is asked for: core, which looks for the
plugin in this package, must not pay for a broker's client before it needs one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spa_kafka.config import KafkaConfig
    from spa_kafka.transport import KafkaSocket, KafkaSocketProvider
    from spa_kafka.wire import TOMBSTONE

__all__ = ["TOMBSTONE", "KafkaConfig", "KafkaSocket", "KafkaSocketProvider"]

_HOMES = {"KafkaConfig": "config", "KafkaSocket": "transport", "KafkaSocketProvider": "transport", "TOMBSTONE": "wire"}

if not TYPE_CHECKING:  # type checkers see the imports above, and tell a name that does not exist

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        """Import what a public name stands for."""
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=import_module(__name__))
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
