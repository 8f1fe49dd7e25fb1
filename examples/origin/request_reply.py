"""
Request and reply as users of spa-dat wrote it; only its imports and its configuration are SPA's.

The responder knows of requests only that they carry a ``response_topic``. It runs until it is stopped (Ctrl-C).
"""
# ruff: noqa: ANN003, ARG001, D101, D103, G004, RUF100 - programs of the origin look like this

from __future__ import annotations

import logging

from spa_core import (
    DistributedApplication,
    PayloadFormat,
    SocketConfig,
    SocketProviderFactory,
    SpaMessage,
    SpaSocket,
)
from spa_inmemory import MemoryConfig

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("request_reply")

socket_provider = SocketProviderFactory.from_config(
    SocketConfig(payload_format=PayloadFormat.JSON, socket_config=MemoryConfig(name="origin"))
)
app = DistributedApplication(default_socket_provider=socket_provider)


@app.producer()
async def requester(socket: SpaSocket) -> None:
    for number in range(3):
        response = await socket.request(SpaMessage(payload=f"question {number}", topic="oracle/questions"))
        logger.info(f"Received response: {response.payload.decode()}")


@app.application("oracle/questions")
async def responder(message: SpaMessage, socket: SpaSocket) -> None:
    await socket.publish(
        SpaMessage(
            payload=f"answer to {message.payload.decode()}",
            topic=message.response_topic,
        )
    )


if __name__ == "__main__":
    app.start()
