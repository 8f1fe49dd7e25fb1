"""
The driver's client, made careful: tells why it cannot connect and when connections break, and leaves none open.

The driver's own only logs why a bootstrap failed, and forgets to close its connection when it is cancelled meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.conn import CloseReason, create_conn  # type: ignore[import-untyped]
from aiokafka.errors import KafkaConnectionError, KafkaError  # type: ignore[import-untyped]
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]
from aiokafka.util import create_task  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["careful"]

_LOSSES = (CloseReason.CONNECTION_BROKEN, CloseReason.CONNECTION_TIMEOUT, CloseReason.OUT_OF_SYNC)
_OWN = ("client_id", "ssl_context", "security_protocol")
_SASL = ("mechanism", "plain_username", "plain_password", "kerberos_service_name", "kerberos_domain_name")


def careful(client: AIOKafkaClient, on_broken: Callable[[str], None] | None = None) -> None:
    """
    Make a client of the driver careful, before it is started.

    Args:
        client: The client; of the driver's consumer, for one, which makes its own.
        on_broken: Told, in words, when one of its connections breaks.
    """
    client.__class__ = _CarefulClient  # the driver lets nobody choose the class of its clients
    client.on_broken = on_broken


class _CarefulClient(AIOKafkaClient):  # type: ignore[misc]
    on_broken: Callable[[str], None] | None

    async def bootstrap(self) -> None:
        """Ask the configured hosts for the cluster; raise with the last failure as the cause."""
        failure: Exception | None = None
        for host, port, _ in self.hosts:
            try:
                await self._bootstrap_at(host, port)
            except (OSError, KafkaError, TimeoutError) as error:
                failure = error
                continue
            break
        else:
            raise KafkaConnectionError(f"{', '.join(f'{host}:{port}' for host, port, _ in self.hosts)}") from failure
        if self._sync_task is None:
            self._sync_task = create_task(self._md_synchronizer())

    async def _bootstrap_at(self, host: str, port: int) -> None:
        arguments: dict[str, Any] = {name: getattr(self, f"_{name}") for name in _OWN}
        arguments |= {f"sasl_{name}": getattr(self, f"_sasl_{name}") for name in _SASL}
        connection = await create_conn(host, port, request_timeout_ms=self._request_timeout_ms, **arguments)
        try:
            metadata = await connection.send(MetadataRequest([]))
        finally:
            connection.close()
        self.cluster.update_metadata(metadata)
        if not self.cluster.brokers():
            raise KafkaConnectionError(f"{host}:{port} names no broker of its cluster")

    def _on_connection_closed(self, conn: Any, reason: Any) -> None:  # noqa: ANN401 - the driver has no types
        super()._on_connection_closed(conn, reason)
        if self.on_broken is not None and reason in _LOSSES:
            self.on_broken(f"the connection to {conn.host}:{conn.port} broke")
