"""SPA's Kafka transport; knows nothing of applications."""

from __future__ import annotations

__all__: list[str] = []
