"""Every way of being allowed in, said as a URL and in code; what is refused is proved with the other faults."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import anyio
import pytest
from brokers.kafka import PASSWORD, USER

from spa_core import SocketProviderFactory
from spa_core.errors import ConnectError, ParameterError
from spa_kafka import KafkaConfig, KafkaSocketProvider

if TYPE_CHECKING:
    from brokers.kafka import KafkaBroker

    from spa_core import SocketProvider

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds until a test that waits for what never happens fails


async def assert_allowed_in(provider: SocketProvider[KafkaConfig]) -> None:
    """Open a socket, and have the broker answer over it."""
    with anyio.fail_after(PATIENCE):
        async with provider.open(lambda _: None) as socket:
            await socket.check()


def url(scheme: str, address: str, **parameters: object) -> str:
    """Return a URL with the user's name and password."""
    return f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@{address}/?{urlencode(parameters)}"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "none"])
async def test_log_in(kafka_broker: KafkaBroker, mechanism: str) -> None:
    """A name and a password log in by each mechanism, with and without TLS, and by the default."""
    parameters = {"sasl_mechanism": mechanism}
    authority = {"tls_ca": kafka_broker.certificates.authority}

    await assert_allowed_in(SocketProviderFactory.from_url(url("kafka", kafka_broker.sasl, **parameters)))
    over_tls = url("kafka+ssl", kafka_broker.sasl_ssl, **parameters, **authority)
    await assert_allowed_in(SocketProviderFactory.from_url(over_tls))


async def test_tls(kafka_broker: KafkaBroker) -> None:
    """An authority of one's own is trusted by its file; without one, only who is told to trusts anybody."""
    certificates = kafka_broker.certificates
    trusting = KafkaConfig(kafka_broker.ssl, tls=True, tls_ca=str(certificates.authority))
    careless = KafkaConfig(kafka_broker.ssl, tls=True, tls_insecure=True)
    careful = KafkaConfig(kafka_broker.ssl, tls=True, connect_timeout=5.0)

    await assert_allowed_in(KafkaSocketProvider(trusting))
    await assert_allowed_in(KafkaSocketProvider(careless))
    with pytest.raises(ConnectError):
        await assert_allowed_in(KafkaSocketProvider(careful))


async def test_certificates_of_clients(kafka_broker: KafkaBroker) -> None:
    """A broker that asks for it is shown the client's certificate, and refuses a client without one."""
    certificates = kafka_broker.certificates
    options = {"tls": True, "tls_ca": str(certificates.authority), "connect_timeout": 5.0}
    certified = KafkaConfig(kafka_broker.mutual_tls, tls_cert=str(certificates.client), **options)

    await assert_allowed_in(KafkaSocketProvider(certified))
    with pytest.raises(ConnectError):
        await assert_allowed_in(KafkaSocketProvider(KafkaConfig(kafka_broker.mutual_tls, **options)))


async def test_files_that_are_not_there(kafka_broker: KafkaBroker) -> None:
    """A file that is not there is named when the socket is opened."""
    config = KafkaConfig(kafka_broker.ssl, tls=True, tls_ca="nowhere.pem")

    with pytest.raises(ParameterError, match=r"'nowhere.pem' cannot be read"):
        await assert_allowed_in(KafkaSocketProvider(config))
