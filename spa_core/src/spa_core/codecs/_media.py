"""Reads content types (RFC 9110 §8.3, suffixes RFC 6838 §4.2.8); pure, and it never refuses a text."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MediaType", "parse_media_type"]


class MediaType(NamedTuple):
    """
    A content type taken apart, lower case.

    Attributes:
        essence: Type and subtype without parameters: ``application/vnd.acme+json``.
        subtype: What follows the slash: ``vnd.acme+json``; empty if there is no slash.
        suffix: What follows the subtype's last plus sign: ``json``; empty if there is none.
        charset: The parameter of that name; empty if there is none.
    """

    essence: str
    subtype: str
    suffix: str
    charset: str


def parse_media_type(content_type: str) -> MediaType:
    """
    Take *content_type* apart.

    Example:
        >>> parse_media_type("Application/VND.acme+JSON; charset=UTF-8").essence
        'application/vnd.acme+json'
    """
    essence, _, parameters = content_type.partition(";")
    essence = essence.strip().lower()
    _, _, subtype = essence.partition("/")
    _, plus, suffix = subtype.rpartition("+")
    return MediaType(essence, subtype, suffix if plus else "", _charset(parameters))


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""
