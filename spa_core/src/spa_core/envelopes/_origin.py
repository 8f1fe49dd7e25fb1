"""The origin's way to choose an envelope: a payload format beside a transport's configuration."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from spa_core._suggest import did_you_mean
from spa_core.envelopes._spa_dat import SpaDatEnvelope
from spa_core.errors import ConfigurationError, ParameterError

if TYPE_CHECKING:
    from spa_core.envelopes._protocol import Envelope

__all__ = ["PayloadFormat", "SocketConfig", "envelope_for"]


class PayloadFormat(Enum):
    """
    The origin's payload formats.

    Only ``JSON`` ever worked there, and it means the spa-dat envelope. In SPA, the format of a payload is chosen by its
    content type, message by message, and brought by a codec.
    """

    JSON = "json"
    TOML = "toml"
    YAML = "yaml"
    PROTOBUF = "protobuf"
    SIDL = "sidl"


class SocketConfig(msgspec.Struct, frozen=True):
    """
    The origin's pair of a payload format and a transport's configuration.

    Attributes:
        payload_format: The format; its value, such as ``"json"``, is accepted and stored as the format.
        socket_config: The configuration of any installed transport.

    Raises:
        ParameterError: No such payload format.
    """

    payload_format: PayloadFormat
    socket_config: object

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "payload_format", _payload_format(self.payload_format))


def envelope_for(payload_format: PayloadFormat) -> Envelope:
    """
    Return the envelope that the origin uses for *payload_format*.

    Raises:
        ConfigurationError: It is not ``JSON``; names the codec plugin that would bring the format.
    """
    if payload_format is PayloadFormat.JSON:
        return SpaDatEnvelope()
    raise ConfigurationError(
        f"there is no envelope in {payload_format.name}: in SPA, codecs bring the formats of payloads",
        hint=f"Install a distribution with an entry point '{payload_format.value}' in the group 'spa_core.codecs', "
        "give a URL or a plain config instead of a SocketConfig, and publish with that codec's content type",
    )


def _payload_format(given: object) -> PayloadFormat:
    try:
        return PayloadFormat(given)
    except ValueError:
        allowed = [known.value for known in PayloadFormat]
        raise ParameterError(
            f"unknown payload format {given!r}; allowed are: {', '.join(allowed)}",
            parameter="payload_format",
            allowed=allowed,
            hint=did_you_mean(str(given), allowed),
        ) from None
