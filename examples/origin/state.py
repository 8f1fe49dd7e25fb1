"""
A consumer with state as users of spa-dat 0.4 wrote it; only its imports and its configuration are SPA's.

Every request changes the state and is answered with it. The consumer runs until it is stopped (Ctrl-C).
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
    SpaMessage,
    SpaSocket,
)
from spa_inmemory import MemoryConfig

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("state")

socket_provider = SocketProviderFactory.from_config(
    SocketConfig(payload_format=PayloadFormat.JSON, socket_config=MemoryConfig(name="origin"))
)
app = DistributedApplication(default_socket_provider=socket_provider)


class ConsumerState:
    counter: int = 0
    total: float = 0.0


@app.producer()
async def producer(socket: SpaSocket, message_builder: MessageBuilder, **kwargs) -> None:
    for litres in (100.0, 50.0, 25.0):
        response = await socket.request(message_builder(payload=str(litres), topic="plants/north/flow"))
        logger.info(f"Mean so far: {response.payload.decode()}")


@app.application("plants/north/flow", state=ConsumerState())
async def consumer(
    message: SpaMessage,
    socket: SpaSocket,
    message_builder: MessageBuilder,
    state: ConsumerState,
    **kwargs,
) -> None:
    state.counter += 1
    state.total += float(message.payload)
    await socket.publish(
        message_builder(
            payload=f"{state.total / state.counter:.2f}",
            topic=message.response_topic,
        )
    )


if __name__ == "__main__":
    app.start()
