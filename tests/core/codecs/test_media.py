"""Content types are taken apart whatever they look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.codecs._media import MediaType, parse_media_type


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", MediaType("application/json", "json", "", "")),
        (" Application/JSON ; x=y", MediaType("application/json", "json", "", "")),
        ("application/vnd.acme+json", MediaType("application/vnd.acme+json", "vnd.acme+json", "json", "")),
        ("application/a+b+cbor", MediaType("application/a+b+cbor", "a+b+cbor", "cbor", "")),
        ('text/plain;format=flowed; Charset="ISO-8859-1"', MediaType("text/plain", "plain", "", "iso-8859-1")),
        ("json", MediaType("json", "", "", "")),
        ("", MediaType("", "", "", "")),
    ],
    ids=repr,
)
def test_parts(content_type: str, expected: MediaType) -> None:
    """Type, suffix and charset are found without regard to case, blanks and other parameters."""
    assert parse_media_type(content_type) == expected


@given(st.text())
def test_no_text_is_refused(content_type: str) -> None:
    """Whatever a peer writes as its content type, taking it apart raises nothing."""
    parse_media_type(content_type)
