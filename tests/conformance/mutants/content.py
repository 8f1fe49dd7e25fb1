"""Transports that change messages on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutants import base
from mutants.base import Mutant, caught_by

if TYPE_CHECKING:
    from spa_core import SpaMessage


@caught_by("test_bytes_that_mean_something_elsewhere")
class TakesPayloadsForText(Mutant):
    """Payloads go through text, and what is none is replaced."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            return message.replace(payload=message.payload.decode(errors="replace").encode())


@caught_by("test_an_empty_payload")
class TakesEmptyForNothing(Mutant):
    """A message without a payload is not sent."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            return not message.payload or await super().publish(message)


@caught_by("test_header_names_are_case_sensitive")
class LowersHeaderNames(Mutant):
    """Names of headers lose their case."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            return message.replace(headers={name.lower(): value for name, value in message.headers.items()})


@caught_by("test_fields_are_not_seen_as_headers")
class ShowsFieldsAsHeaders(Mutant):
    """The receiver sees how the transport carries the content type."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            return message.replace(headers={**message.headers, "content-type": str(message.content_type)})


@caught_by("test_keys")
class TakesEmptyKeysForNone(Mutant):
    """An empty key is none."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            return message.replace(key=message.key or None)


@caught_by("test_timestamps")
class CutsTimestamps(Mutant):
    """Timestamps are whole seconds."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            message = super().message
            return message if message.timestamp is None else message.replace(timestamp=float(int(message.timestamp)))
