"""The scenarios of the conformance suite, one file a group; each method is one claim, stated by its docstring."""

from __future__ import annotations

__all__: list[str] = []
