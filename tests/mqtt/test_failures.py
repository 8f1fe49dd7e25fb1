"""Errors of the system and the broker's codes, in sentences."""

from __future__ import annotations

import pytest

from spa_mqtt.failures import unreachable


@pytest.mark.parametrize(
    ("where", "way_out"), [("broker:1883", "the host and the port"), ("/run/broker.sock", "the socket's path")]
)
def test_what_cannot_be_reached_says_what_to_check(where: str, way_out: str) -> None:
    """An address that does not answer is named, with the system's reason, and what of it may be wrong."""
    error = unreachable(where, FileNotFoundError(2, "No such file or directory"))

    assert where in str(error)
    assert "No such file or directory" in str(error)
    assert error.hint == f"Check {way_out}, and that the broker runs"
