"""What the README of spa-mqtt says of URLs, parameters and brokers is what holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin, get_type_hints

import msgspec

from spa_core.config._units import Unit
from spa_core.url import Url
from spa_mqtt.address import DEFAULT_PORTS, SCHEMES, address_fields
from spa_mqtt.config import MqttConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from brokers.mosquitto import Mosquitto

PAGE = (Path(__file__).parents[2] / "spa_mqtt" / "README.md").read_text("utf-8")


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
    """Return what the README calls a default: nothing if it is empty."""
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = "none" if value in (None, ()) else str(value)
    return f"`{text}`" if text else ""


def test_the_parameters() -> None:
    """The table has every parameter of a URL, with its values and its default, and says what it means."""
    hints = get_type_hints(MqttConfig, include_extras=True)
    elsewhere = address_fields(Url.parse("mqtt://host"))
    fields = [field for field in msgspec.structs.fields(MqttConfig) if field.name not in elsewhere]
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
    told = {scheme.strip("` "): port for schemes, _, port, _ in rows("scheme") for scheme in schemes.split(",")}

    assert told == {scheme: str(DEFAULT_PORTS.get(way, "")) for scheme, way in SCHEMES.items()}


def test_the_broker_s_settings(make_mosquitto: Callable[[str], Mosquitto]) -> None:
    """Mosquitto starts with the settings that the README recommends."""
    settings = re.search(r"```ini\n(.*?)```", PAGE, re.DOTALL)

    assert settings is not None
    assert make_mosquitto(settings[1]).url()
