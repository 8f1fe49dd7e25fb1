"""The origin's way to choose an envelope."""

from __future__ import annotations

from typing import Any

import pytest

from spa_core.envelopes import PayloadFormat, SocketConfig, SpaDatEnvelope, envelope_for
from spa_core.errors import ConfigurationError, ParameterError


def test_payload_formats_have_the_origins_values() -> None:
    """Names and values are those of spa-dat 0.4."""
    assert {known.name: known.value for known in PayloadFormat} == {
        "JSON": "json",
        "TOML": "toml",
        "YAML": "yaml",
        "PROTOBUF": "protobuf",
        "SIDL": "sidl",
    }


def test_socket_config_is_made_by_keyword_and_position() -> None:
    """Both call shapes and the plain value of a format work, and the pair does not change afterwards."""
    config: Any = SocketConfig(PayloadFormat.JSON, "any config")

    assert config == SocketConfig(payload_format=PayloadFormat.JSON, socket_config="any config")
    assert config == SocketConfig("json", "any config")  # type: ignore[arg-type]
    assert (config.payload_format, config.socket_config) == (PayloadFormat.JSON, "any config")
    with pytest.raises(AttributeError):
        config.payload_format = PayloadFormat.TOML


def test_unknown_payload_format_names_the_nearest() -> None:
    """A misspelt format is refused with the nearest match and the allowed values."""
    with pytest.raises(ParameterError, match="Did you mean 'json'") as caught:
        SocketConfig("jsn", None)  # type: ignore[arg-type]

    assert caught.value.parameter == "payload_format"
    assert caught.value.allowed == ("json", "toml", "yaml", "protobuf", "sidl")


def test_json_is_the_spa_dat_envelope() -> None:
    """The only format that worked in the origin is its envelope in the dialect of 0.4."""
    envelope = envelope_for(PayloadFormat.JSON)

    assert isinstance(envelope, SpaDatEnvelope)
    assert envelope.dialect == "0.4"


@pytest.mark.parametrize("payload_format", [known for known in PayloadFormat if known is not PayloadFormat.JSON])
def test_other_formats_name_the_codec_plugin(payload_format: PayloadFormat) -> None:
    """The formats that never worked are a configuration error that names the codec which would bring them."""
    with pytest.raises(ConfigurationError) as caught:
        envelope_for(payload_format)

    assert str(caught.value).startswith(f"there is no envelope in {payload_format.name}: ")
    assert f"an entry point '{payload_format.value}' in the group 'spa_core.codecs'" in str(caught.value)
