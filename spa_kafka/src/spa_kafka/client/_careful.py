"""
The driver's client, made careful: tells why it cannot connect and when connections break, and leaves none open.

The driver's own only logs why a bootstrap failed, forgets to close its connection when it is cancelled meanwhile, and
gives joining a group no more time than any other request, although that waits for the other members to let go, and lets
every question wait behind a fetch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup  # type: ignore[import-untyped]
from aiokafka.conn import CloseReason, create_conn  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    RequestTimedOutError,
)
from aiokafka.protocol.fetch import FetchRequest  # type: ignore[import-untyped]
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest  # type: ignore[import-untyped]
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]
from aiokafka.util import create_task  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["careful"]

_LOSSES = (CloseReason.CONNECTION_BROKEN, CloseReason.CONNECTION_TIMEOUT, CloseReason.OUT_OF_SYNC)
_DRIVER: Any = AIOKafkaClient
_FETCHING = "fetching"
_OWN = ("client_id", "ssl_context", "security_protocol")
_SASL = ("mechanism", "plain_username", "plain_password", "kerberos_service_name", "kerberos_domain_name")


def careful(
    client: Any,  # noqa: ANN401 - the driver has no types
    *,
    on_broken: Callable[[str], None] | None = None,
    joining: float | None = None,
) -> None:
    """
    Make a client of the driver careful, before it is started.

    Args:
        client: The client; of the driver's consumer, for one, which makes its own.
        on_broken: Told, in words, when one of its connections breaks.
        joining: Seconds that joining a group may take; ``None`` is what any request may.
    """
    client.__class__ = _CarefulClient  # the driver lets nobody choose the class of its clients
    client.on_broken = on_broken
    client.joining = joining


class _CarefulClient(AIOKafkaClient):  # type: ignore[misc]
    on_broken: Callable[[str], None] | None
    joining: float | None

    async def bootstrap(self: Any) -> None:
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

    async def _bootstrap_at(self: Any, host: str, port: int) -> None:
        arguments: dict[str, Any] = {name: getattr(self, f"_{name}") for name in _OWN}
        arguments |= {f"sasl_{name}": getattr(self, f"_sasl_{name}") for name in _SASL}
        connection: Any = await create_conn(host, port, request_timeout_ms=self._request_timeout_ms, **arguments)
        try:
            metadata = await connection.send(MetadataRequest([]))
        finally:
            connection.close()
        self.cluster.update_metadata(metadata)
        if not self.cluster.brokers():
            raise KafkaConnectionError(f"{host}:{port} names no broker of its cluster")

    async def send(self: Any, node_id: Any, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:  # noqa: ANN401
        """Send a request and return its answer."""
        if isinstance(request, FetchRequest):
            # A broker answers a connection's requests in order: behind a fetch that waits for records, whatever else is
            # asked waits half a second.
            group = _FETCHING
        if self.joining is None or not isinstance(request, JoinGroupRequest | SyncGroupRequest):
            return await _DRIVER.send(self, node_id, request, group=group)
        connection = await self._get_conn(node_id, group=group)
        if connection is None:
            raise NodeNotReadyError(f"there is no connection to node {node_id}")
        # The connection knows one timeout, and takes it when it sends.
        usual, connection._request_timeout = connection._request_timeout, self.joining  # noqa: SLF001
        try:
            answer = connection.send(request)
        finally:
            connection._request_timeout = usual  # noqa: SLF001
        try:
            return await answer
        except TimeoutError as error:
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise RequestTimedOutError from error

    def _on_connection_closed(self: Any, conn: Any, reason: Any) -> None:  # noqa: ANN401 - the driver has no types
        _DRIVER._on_connection_closed(self, conn, reason)  # noqa: SLF001 - overridden here
        if self.on_broken is not None and reason in _LOSSES:
            self.on_broken(f"the connection to {conn.host}:{conn.port} broke")
