"""Broken variants of the in-memory transport; each has one fault, and names the scenario that is meant to catch it."""

from __future__ import annotations

from mutants import (
    cancelling,
    content,
    declaring,
    draining,
    growing,
    lifecycle,
    publishing,
    receiving,
    requests,
    routing,
    settling,
    speaking,
    subscribing,
)
from mutants.base import MUTANTS, Mutant

__all__ = [
    "MUTANTS",
    "Mutant",
    "cancelling",
    "content",
    "declaring",
    "draining",
    "growing",
    "lifecycle",
    "publishing",
    "receiving",
    "requests",
    "routing",
    "settling",
    "speaking",
    "subscribing",
]
