"""One error out of an exception group."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core._groups import collapsing, sole_error


def nested(error: BaseException, depth: int) -> BaseException:
    """Wrap an error in groups of one."""
    for _ in range(depth):
        error = BaseExceptionGroup("wrapped", [error])
    return error


@given(st.integers(0, 20))
def test_the_sole_error_is_found_at_any_depth(depth: int) -> None:
    """However many groups of one are around an error, it is found; an error in no group is itself."""
    error = KeyError("lost")

    assert sole_error(nested(error, depth)) is error


@given(st.integers(0, 20))
def test_several_errors_stay_together(depth: int) -> None:
    """Groups of one around several errors are taken off, the group of several is kept."""
    several = ExceptionGroup("several", [KeyError("lost"), ValueError("bad")])

    assert sole_error(nested(several, depth)) is several


def test_a_lone_error_comes_out_as_itself() -> None:
    """A caller catches the error that was raised, not the group a task group made of it."""
    error = KeyError("lost")

    with pytest.raises(KeyError) as caught, collapsing():
        raise nested(error, 2)

    assert caught.value is error


@pytest.mark.parametrize("suppress", [True, False])
def test_cause_and_context_stay(suppress: bool) -> None:  # noqa: FBT001 - a case, not an option
    """What led to the error is still seen in its traceback, and the groups taken off are not."""
    cause, context = OSError("cable"), TimeoutError("slow")
    error = KeyError("lost")
    error.__cause__, error.__context__, error.__suppress_context__ = cause, context, suppress

    with pytest.raises(KeyError), collapsing():
        raise nested(error, 2)

    assert error.__cause__ is cause
    assert error.__context__ is context
    assert error.__suppress_context__ is suppress


def test_several_errors_come_out_as_their_group() -> None:
    """Nothing is hidden: a group of several is let through as it is."""
    several = BaseExceptionGroup("several", [KeyError("lost"), KeyboardInterrupt()])

    with pytest.raises(BaseExceptionGroup) as caught, collapsing():
        raise several

    assert caught.value is several


def test_other_errors_and_none_pass() -> None:
    """An error in no group is let through, and a body that raises nothing is left alone."""
    with collapsing():
        result = "fine"

    assert result == "fine"
    with pytest.raises(ValueError, match=r"^bad$"), collapsing():
        raise ValueError("bad")
