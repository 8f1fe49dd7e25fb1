"""
The origin's two call shapes: what may follow callback and provider without a name. Knows no application.

spa-dat 0.3 has ``state, ressources`` there, 0.4 has ``message_builder, state, ressources``.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from spa_core._messaging.builder import MessageBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHAPE_0_3: Final = ("state", "ressources")
_SHAPE_0_4: Final = ("message_builder", *_SHAPE_0_3)


def origin_arguments(positional: Sequence[Any], by_name: dict[str, Any]) -> dict[str, Any]:
    """
    Return *by_name* with the positional arguments in it.

    Three are 0.4's. Fewer are 0.4's if the first is a function, which a message builder is and a state is not.

    Args:
        positional: What followed callback and provider.
        by_name: What was given by name; ``None`` where nothing was.

    Raises:
        TypeError: There are more than three, or one is given by name too.
    """
    if len(positional) > len(_SHAPE_0_4):
        message = f"at most {', '.join(_SHAPE_0_4)} may follow the provider, got {len(positional)} arguments"
        raise TypeError(message)
    is_0_4 = len(positional) == len(_SHAPE_0_4) or (bool(positional) and _is_builder(positional[0]))
    given = dict(zip(_SHAPE_0_4 if is_0_4 else _SHAPE_0_3, positional, strict=False))
    for name in given:
        if by_name.get(name) is not None:
            message = f"{name} is given twice, by position and by name"
            raise TypeError(message)
    return {**by_name, **given}


def _is_builder(value: object) -> bool:
    return inspect.isroutine(value) or isinstance(value, (MessageBuilder, partial))
