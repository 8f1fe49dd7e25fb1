"""Quantities are read with their units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.config._units import read_bytes, read_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        ("5s", 5.0),
        ("250ms", 0.25),
        ("35ms", 0.035),
        ("10us", 0.00001),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1.5d", 129600.0),
        (".5s", 0.5),
        ("2.", 2.0),
        ("1e-3", 0.001),
        ("1e999s", math.inf),
    ],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    """Every unit gives the float nearest to what it says."""
    assert read_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "+1", "5 s", "5S", "1h30m", "5sec", "nan", "inf", "٣s", "1_000", "PT5S"]
)
def test_what_is_no_duration_is_none(text: str) -> None:
    """Signs, blanks, other words and other digits are not read."""
    assert read_seconds(text) is None


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_that_number_of_seconds(seconds: float) -> None:
    """A duration written by repr reads back as itself."""
    assert read_seconds(repr(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("7B", 7),
        ("64KiB", 65536),
        ("64kib", 65536),
        ("1kB", 1000),
        ("1MB", 1_000_000),
        ("1.5MiB", 1_572_864),
        ("1.1GB", 1_100_000_000),
        ("2GiB", 2**31),
        ("1TB", 10**12),
        ("1TiB", 2**40),
        ("2.0", 2),
    ],
)
def test_a_size_has_a_unit_or_is_in_bytes(text: str, size: int) -> None:
    """Powers of 1000 and of 1024, exact."""
    assert read_bytes(text) == size


@pytest.mark.parametrize("text", ["", "B", "-1", "1.5", "0.3kiB", "1K", "64 KiB", "1.", ".5MB", "٣", "1" * 31, "1PB"])
def test_what_is_no_whole_number_of_bytes_is_none(text: str) -> None:
    """Half bytes, bare letters and unknown units are not read."""
    assert read_bytes(text) is None


@given(st.integers(0, 10**30 - 1), st.sampled_from(["", "B"]))
def test_the_text_of_a_number_is_that_number_of_bytes(size: int, unit: str) -> None:
    """A size written by str reads back as itself."""
    assert read_bytes(f"{size}{unit}") == size
