"""One error out of an exception group: task groups wrap even a lone failure, which no caller wants to unpack."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


def sole_error(error: BaseException) -> BaseException:
    """Return what is inside groups of one: a lone error, or a group of several; *error* itself if it is no group."""
    while len(members := _members(error)) == 1:
        error = members[0]
    return error


def _members(error: BaseException) -> Sequence[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions
    return ()


@contextmanager
def collapsing() -> Generator[None, None, None]:
    """Let a lone error inside exception groups out as itself, its cause and context kept."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = sole_error(group)
        if error is group:
            raise
        context = error.__context__
        try:
            raise error
        finally:
            # Raising made the group its context; the group would stand in the traceback in place of what led to it.
            error.__context__ = context
