"""One error out of an exception group: task groups wrap even a lone failure, which no caller wants to unpack."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def sole_error(error: BaseException) -> BaseException:
    """Return the only exception inside nested groups, or *error* itself where there are several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextmanager
def collapsing() -> Iterator[None]:
    """Let a lone error inside exception groups out as itself, its cause kept."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = sole_error(group)
        if error is group:
            raise
        raise error from error.__cause__
