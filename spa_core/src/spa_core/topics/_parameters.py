"""The ``{name}`` levels of a template: how they are read and what may fill them; knows nothing of matching."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from spa_core._suggest import did_you_mean
from spa_core.topics._rules import Fault, level_fault, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PARAMETER: Final = re.compile(r"\{([^{}]*)\}")


def parameter_names(text: str) -> tuple[str, ...]:
    """Return the names of the parameters of a valid template, in their order."""
    return tuple(_PARAMETER.findall(text))


def with_normal_names(text: str) -> str:
    """Return a valid template with its names as Python normalises identifiers, so that keyword arguments meet them."""
    return _PARAMETER.sub(lambda found: _normalised(found[0]), text)


def without_names(text: str) -> str:
    """Return a valid template with ``+`` in place of its parameters."""
    return _PARAMETER.sub("+", text)


def parameters_fault(text: str) -> Fault | None:
    """Return what is wrong with the parameters of *text*, be it a template or not."""
    seen: set[str] = set()
    for position, level in enumerate(text.split("/"), start=1):
        fault = _brace_fault(level, position)
        if fault is not None:
            return fault
        if level.startswith("{"):
            name = _normalised(level[1:-1])
            fault = _name_fault(name, seen)
            if fault is not None:
                return fault
            seen.add(name)
    return None


def _brace_fault(level: str, position: int) -> Fault | None:
    rest = _PARAMETER.sub("", level)
    if "{" in rest or "}" in rest:
        return Fault(f"braces are kept for parameters such as '{{name}}', but level {position} is {shown(level)}")
    found = _PARAMETER.search(level)
    if found is None or found[0] == level:
        return None
    return Fault(
        f"a parameter must be a whole level, but level {position} is {shown(level)}",
        f"Make the whole level {shown(found[0])} and take its text apart in the handler",
    )


def _name_fault(name: str, seen: set[str]) -> Fault | None:
    if name in seen:
        return Fault(f"the parameter {shown(name)} occurs more than once", "Give each level a name of its own")
    if name.isidentifier() and not keyword.iskeyword(name):
        return None
    meant = re.sub(r"\W+", "_", name)
    if keyword.iskeyword(meant):
        meant += "_"
    return Fault(
        f"a parameter's name must be a Python identifier and no keyword, but it is {shown(name)}",
        f"Did you mean {shown(f'{{{meant}}}')}?" if meant.isidentifier() else "Use '+' for a level without a name",
    )


def _normalised(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


def values_fault(text: str, names: Sequence[str], values: Mapping[str, object]) -> Fault | None:
    """Return what keeps *values* from filling the parameters of the template *text*."""
    for name in values:
        if name not in names:
            known = f"only {', '.join(map(repr, names))}" if names else "nor any other"
            return Fault(f"it has no parameter {shown(name)}, {known}", did_you_mean(name, names))
    for name in names:
        if name not in values:
            return Fault(f"the parameter {shown(name)} has no value", f"Pass {name}=...")
        fault = _value_fault(values[name], leading=text.startswith(f"{{{name}}}"))
        if fault is not None:
            return Fault(f"the parameter {shown(name)} cannot be {shown(values[name])}: {fault.reason}", fault.hint)
    return None


def _value_fault(value: object, *, leading: bool) -> Fault | None:
    if not isinstance(value, str):
        return Fault("it is no str", "Pass its text")
    if leading and value.startswith("$"):
        return Fault("a parameter at the beginning matches no topic that begins with '$'")
    return level_fault(value)
