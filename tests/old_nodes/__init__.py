"""Deployed nodes for tests: programs of the real spa-dat, each in a process of its own; knows nothing of SPA."""

from __future__ import annotations

from old_nodes.bus import Bus
from old_nodes.environments import NoSpaDatError, python_with
from old_nodes.process import OldNode

__all__ = ["Bus", "NoSpaDatError", "OldNode", "python_with"]
