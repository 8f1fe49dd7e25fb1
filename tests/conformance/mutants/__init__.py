"""Broken variants of the in-memory transport; each has one fault, and names the scenario that is meant to catch it."""

from __future__ import annotations

from mutants import content, declaring, lifecycle, publishing, receiving, requests, routing, settling, subscribing
from mutants.base import MUTANTS, Mutant

__all__ = [
    "MUTANTS",
    "Mutant",
    "content",
    "declaring",
    "lifecycle",
    "publishing",
    "receiving",
    "requests",
    "routing",
    "settling",
    "subscribing",
]
