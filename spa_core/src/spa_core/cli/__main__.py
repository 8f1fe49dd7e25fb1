"""Lets ``python -m spa_core.cli`` stand in for ``spa`` where scripts are not on the path."""

from __future__ import annotations

from spa_core.cli import main

main()
