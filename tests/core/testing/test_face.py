"""The face of ``spa_core.testing``: it hands names on, late."""

from __future__ import annotations

import pytest

from spa_core import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_a_public_name_is_what_its_module_has(name: str) -> None:
    """Every public name can be imported from the face, and is listed."""
    found = getattr(testing, name)

    assert found.__name__ == name
    assert name in dir(testing)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that the face does not have is refused as Python does."""
    with pytest.raises(AttributeError, match="no attribute 'TransportSuit'"):
        _ = testing.TransportSuit  # type: ignore[attr-defined]
