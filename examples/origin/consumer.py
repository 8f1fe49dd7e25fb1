"""
A consumer as users of spa-dat wrote it; only its imports and its configuration are SPA's.

It listens until it is stopped (Ctrl-C). In memory only programs of the same process can reach it, such as producer.py
beside it; with an ``MqttConfig`` or a ``KafkaConfig`` in place of the ``MemoryConfig`` every deployed node can.
"""
# ruff: noqa: ANN003, ARG001, D101, D103, G004, RUF100 - programs of the origin look like this

from __future__ import annotations

import logging

from spa_core import DistributedApplication, PayloadFormat, SocketConfig, SocketProviderFactory, SpaMessage
from spa_inmemory import MemoryConfig

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("consumer")

socket_provider = SocketProviderFactory.from_config(
    SocketConfig(payload_format=PayloadFormat.JSON, socket_config=MemoryConfig(name="origin"))
)
app = DistributedApplication(socket_provider)


@app.application("plants/north/flow")
async def consumer(message: SpaMessage, **kwargs) -> None:
    logger.info(f"{message.client_name} measured {message.payload.decode()} at {message.timestamp}")


if __name__ == "__main__":
    app.start()
