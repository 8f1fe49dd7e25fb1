"""A secret hides itself and stays usable."""

from __future__ import annotations

import copy
import pickle
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.url import Secret


@given(st.text(st.characters(), min_size=4).filter(lambda text: "*" not in text), st.sampled_from(["", ">20", "s"]))
def test_every_way_to_show_a_secret_gives_three_stars(text: str, spec: str) -> None:
    """repr, str, format and %-formatting never show the text, nor its length."""
    secret = Secret(text)

    assert [repr(secret), str(secret), format(secret, spec), f"{secret}", f"{secret!r}", "%s" % secret] == ["***"] * 6  # noqa: UP031


@given(st.text(st.characters()))
def test_reveal_gives_the_text(text: str) -> None:
    """The one way to the text in clear is to ask for it."""
    secret = Secret(text)

    assert secret.reveal() == text
    assert bool(secret) == bool(text)


@given(st.text(st.characters()), st.text(st.characters()))
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    """Secrets compare with secrets by value, hash alike, and equal no plain text."""
    assert (Secret(one) == Secret(other)) == (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda secret: pickle.loads(pickle.dumps(secret))])  # noqa: S301
def test_a_copy_equals_the_secret(duplicate: object) -> None:
    """Copies keep the text."""
    secret = Secret("hunter2")

    assert duplicate(secret) == secret  # type: ignore[operator]


def test_a_secret_is_made_of_text_only() -> None:
    """Anything but a str is refused by type, its value not shown."""
    with pytest.raises(TypeError, match=r"^a Secret is made of a str, not of bytes$"):
        Secret(cast("str", b"hunter2"))
