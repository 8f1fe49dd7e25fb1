"""Which delivery is being handled in the running context; core sets it, transports and log filters may read it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spa_core.transport.contract import Delivery

__all__ = ["current_delivery"]

current_delivery: ContextVar[Delivery | None] = ContextVar("spa_current_delivery", default=None)
"""The delivery whose handler runs in this context, or ``None`` outside of handlers."""
