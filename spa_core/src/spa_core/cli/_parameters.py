"""What several commands take: durations with units, and the fields of a message to send."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, BinaryIO, TypedDict, TypeVar

import click

from spa_core.config._units import read_seconds
from spa_core.message import SpaMessage

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

FunctionT = TypeVar("FunctionT", bound="Callable[..., object]")


def duration(text: str) -> float:
    """
    Return the seconds that *text* stands for: ``5``, ``250ms``, ``2m``.

    Raises:
        click.BadParameter: It is no duration, or not a finite one.
    """
    seconds = read_seconds(text)
    if seconds is None or not math.isfinite(seconds):
        raise click.BadParameter(f"{text!r} is no duration; write for example 5s, 250ms or 2m.")
    return seconds


def header(text: str) -> tuple[str, str]:
    """
    Return the name and the value of a header given as ``name=value``.

    Raises:
        click.BadParameter: There is no ``=`` or nothing before it.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} is no header; write name=value.")
    return name, value


class MessageOptions(TypedDict):
    """What :func:`message_options` passes to a command, but for the file."""

    headers: tuple[tuple[str, str], ...]
    key: str | None
    content_type: str | None


def message_options(command: FunctionT) -> FunctionT:
    """Give a command the options that say what a payload is read from and what travels with it."""
    options = (
        click.option("-f", "--file", type=click.File("rb"), help="Read the payload from a file; - is standard input."),
        click.option(
            "-H",
            "--header",
            "headers",
            type=header,
            metavar="NAME=VALUE",
            multiple=True,
            help="A header; may be repeated.",
        ),
        click.option("-k", "--key", help="Messages with one key keep their order."),
        click.option("-t", "--content-type", help="The media type of the payload, such as application/json."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def make_message(topic: str, payload: bytes, *, retain: bool = False, **options: Unpack[MessageOptions]) -> SpaMessage:
    """Make a message with an id and a time of its own."""
    key = options["key"]
    return SpaMessage(
        topic=topic,
        payload=payload,
        retain=retain,
        headers=dict(options["headers"]),
        key=None if key is None else key.encode(),
        content_type=options["content_type"],
    )


def sole_payload(payload: str | None, file: BinaryIO | None) -> bytes:
    """
    Return the one payload that was given, as an argument or in a file.

    Raises:
        click.UsageError: None was given, or both.
    """
    if (payload is None) == (file is None):
        raise click.UsageError("Give a payload or --file, one of the two.")
    return file.read() if file is not None else (payload or "").encode()
