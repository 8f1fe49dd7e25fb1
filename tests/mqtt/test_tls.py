"""Which of MQTT's connections are encrypted; what with is proved for every transport in tests/core."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from spa_core.errors import ParameterError
from spa_mqtt.config import MqttConfig
from spa_mqtt.tls import tls_context

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fields", [{"scheme": "mqtt"}, {"scheme": "ws"}, {"scheme": "mqtt+unix", "unix_path": "/s"}])
async def test_no_tls(fields: dict[str, Any]) -> None:
    """Without TLS there is nothing to encrypt with."""
    assert await tls_context(MqttConfig(**fields)) is None


@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
async def test_brokers_are_verified(scheme: str) -> None:
    """With TLS the broker must prove who it is."""
    made = await tls_context(MqttConfig(scheme=scheme))

    assert made is not None
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_files_are_read() -> None:
    """A file that the configuration names and that is not there is refused."""
    with pytest.raises(ParameterError, match=r"'nowhere.pem' cannot be read"):
        await tls_context(MqttConfig(scheme="mqtts", tls_ca="nowhere.pem"))
