"""What the annotations of a handler say: resolved one by one, and judged by what could be given for them."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_origin, get_type_hints

import msgspec
import msgspec.inspect

from spa_core.message import SpaMessage

if TYPE_CHECKING:
    from collections.abc import Callable

_MADE_OF_OTHERS: Final = (Any, Annotated, Union, UnionType)  # not every one of these is a type in every Python


def annotations_of(handler: Callable[..., object]) -> tuple[dict[str, Any], dict[str, Exception]]:
    """
    Return the annotations of the parameters, and those that cannot be resolved, with the reason.

    Resolved one by one, because a name imported only for type checking does no harm where nothing depends on it: on the
    return value, or on a parameter that is filled by its name.
    """
    target = inspect.unwrap(getattr(handler, "func", handler))
    if not (inspect.isfunction(target) or inspect.ismethod(target)):
        target = type(target).__call__
    scope = getattr(inspect.unwrap(target), "__globals__", {})
    resolved: dict[str, Any] = {}
    unresolved: dict[str, Exception] = {}
    for name, annotation in getattr(target, "__annotations__", {}).items():
        try:
            resolved[name] = get_type_hints(_Annotated(name, annotation), globalns=scope, include_extras=True)[name]
        except Exception as error:  # noqa: BLE001 - an annotation is code like any other
            unresolved[name] = error
    return resolved, unresolved


class _Annotated:
    """One annotation by itself, in the form that ``get_type_hints`` reads."""

    def __init__(self, name: str, annotation: object) -> None:
        self.__annotations__ = {name: annotation}


def can_be_read_from_text(annotation: object) -> bool:
    """Whether some text can become a value of this type, as far as can be told without one."""
    if annotation is object:
        return True
    try:
        return not isinstance(msgspec.inspect.type_info(annotation), msgspec.inspect.CustomType)
    except TypeError:
        return False


def can_be_a_message(annotation: object) -> bool:
    """Whether a message may be meant: only what is certainly another type is not."""
    kind = get_origin(annotation) or annotation
    if kind in _MADE_OF_OTHERS or not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    return issubclass(SpaMessage, kind) or issubclass(kind, SpaMessage)
