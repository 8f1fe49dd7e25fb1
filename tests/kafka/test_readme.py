"""What the README of spa-kafka says of URLs, parameters and headers is what holds."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec

from spa_core.config._units import Unit
from spa_core.url import Url
from spa_kafka import wire
from spa_kafka.address import DEFAULT_PORT, SCHEMES, address_fields
from spa_kafka.config import KafkaConfig

PAGE = (Path(__file__).parents[2] / "spa_kafka" / "README.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has that heading."""
    table = re.search(rf"^\| {heading} .*\n\|[-| ]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def words(annotation: object) -> str:
    """Return what the README calls the values of a type."""
    options = [option for option in get_args(annotation) if option is not type(None)]
    if Unit.SECONDS in options:
        return "seconds"
    if Unit.BYTES in options:
        return "bytes"
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{option}`" for option in options)
    if get_origin(annotation) is tuple:
        return "list"
    if options:
        return words(options[0])
    return {"bool": "yes, no", "int": "number", "str": "text", "Secret": "text"}[getattr(annotation, "__name__", "")]


def default(value: object) -> str:
    """Return what the README calls a default."""
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    if value in (None, ()):
        return "`none`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_the_parameters() -> None:
    """The table has every parameter of a URL, with its values and its default, and says what it means."""
    hints = get_type_hints(KafkaConfig, include_extras=True)
    elsewhere = address_fields(Url.parse("kafka://host"))
    fields = [field for field in msgspec.structs.fields(KafkaConfig) if field.name not in elsewhere]
    expected = {
        {"default_subscription_topics": "topics"}.get(field.name, field.name): (
            words(hints[field.name]),
            default(field.default),
        )
        for field in fields
    }
    told = {name.strip("`"): (values, value) for name, values, value, meaning in rows("parameter") if meaning}

    assert told == expected


def test_the_schemes() -> None:
    """The table has every scheme and the port it stands for."""
    told = {scheme.strip("`"): port for scheme, _, port in rows("scheme")}

    assert told == dict.fromkeys(SCHEMES, str(DEFAULT_PORT))


def test_the_headers() -> None:
    """The table has every header that is ours."""
    assert {name.strip("`") for name, _ in rows("header")} == wire._OURS


def test_the_classes_docstring() -> None:
    """The configuration's docstring says of each field what it means, and names no other."""
    told = re.findall(r"^ {4}(\w+): ", inspect.getdoc(KafkaConfig) or "", re.MULTILINE)
    inherited = {"client_name", "group", "prefetch", "request_timeout"}

    assert {*told, *inherited} - {"ParameterError"} == {field.name for field in msgspec.structs.fields(KafkaConfig)}
