"""
A producer as users of spa-dat 0.4 wrote it, with a message builder; only its imports and its configuration are SPA's.

It publishes five readings and ends.
"""
# ruff: noqa: ANN003, ARG001, D101, D103, G004, RUF100 - programs of the origin look like this

from __future__ import annotations

import logging

from spa_core import (
    DistributedApplication,
    MessageBuilder,
    PayloadFormat,
    SocketConfig,
    SocketProviderFactory,
    SpaSocket,
)
from spa_inmemory import MemoryConfig

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("producer")

socket_provider = SocketProviderFactory.from_config(
    SocketConfig(payload_format=PayloadFormat.JSON, socket_config=MemoryConfig(name="origin"))
)
app = DistributedApplication(default_socket_provider=socket_provider)


@app.producer(client_id="sensor-7", client_name="north gauge")
async def producer(socket: SpaSocket, message_builder: MessageBuilder, **kwargs) -> None:
    for litres in (100.6, 101.2, 99.8, 12.4, 100.1):
        message = message_builder(
            topic="plants/north/flow",
            payload=str(litres),
            content_type="text/plain",
            timestamp=1690000000,
        )
        await socket.publish(message)
        logger.info(f"{message.client_id} sent {message.payload.decode()}")


if __name__ == "__main__":
    app.start()
