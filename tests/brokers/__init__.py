"""Real brokers for tests, each in a process of its own; knows brokers, and nothing of SPA."""

from __future__ import annotations
