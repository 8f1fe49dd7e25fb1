"""Figures, not tests: how much the hot paths cost, beside their peers in the same run. ``python -m benchmarks``."""
