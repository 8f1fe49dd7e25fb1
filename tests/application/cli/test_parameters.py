"""What commands take from their arguments."""

from __future__ import annotations

import io

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.cli._parameters import duration, header, make_message, sole_payload


@pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("250ms", 0.25), ("2m", 120.0), ("0", 0.0)])
def test_durations_have_units(text: str, seconds: float) -> None:
    """A duration is a number of seconds, or has a unit."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1e999", "nan", "5 s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Anything that is not a finite duration is wrong use, with examples."""
    with pytest.raises(click.BadParameter, match="write for example 5s, 250ms or 2m"):
        duration(text)


@given(st.text(min_size=1).filter(lambda name: "=" not in name), st.text())
def test_headers_split_at_the_first_equals_sign(name: str, value: str) -> None:
    """A header's value may hold anything, ``=`` too."""
    assert header(f"{name}={value}") == (name, value)


@pytest.mark.parametrize("text", ["", "name", "=value"])
def test_what_is_no_header_is_refused(text: str) -> None:
    """A header needs a name and an equals sign."""
    with pytest.raises(click.BadParameter, match="write name=value"):
        header(text)


def test_the_payload_comes_from_one_place() -> None:
    """A payload is an argument, which may be empty, or a file."""
    assert sole_payload("100.6", None) == b"100.6"
    assert sole_payload("", None) == b""
    assert sole_payload(None, io.BytesIO(b"\xff")) == b"\xff"


@pytest.mark.parametrize(("payload", "file"), [(None, None), ("100.6", io.BytesIO())])
def test_no_payload_and_two_are_wrong(payload: str | None, file: io.BytesIO | None) -> None:
    """Neither an argument nor a file, or both, is wrong use."""
    with pytest.raises(click.UsageError, match="one of the two"):
        sole_payload(payload, file)


def test_messages_have_ids_of_their_own() -> None:
    """Two messages with the same content are two messages."""
    first, second = (make_message("a", b"", headers=(), key=None, content_type=None) for _ in range(2))

    assert first.message_id != second.message_id
