"""A program as users of spa-dat 0.4 wrote it, for MQTT; the tests run it as it is, and on SPA."""

# ruff: noqa: ANN003, ANN201, ANN202, ARG001, D101, D103, G004, I002, UP041 - written years ago
import asyncio
import logging

from spa_dat.application.application import DistributedApplication
from spa_dat.config import PayloadFormat, SocketConfig
from spa_dat.provider import SocketProviderFactory
from spa_dat.socket.mqtt import MqttConfig
from spa_dat.socket.typedef import MessageBuilder, SpaMessage, SpaSocket

logging.basicConfig(level=logging.WARNING)
logger = logging.getLogger("program")
logger.setLevel(logging.INFO)

socket_provider = SocketProviderFactory.from_config(
    SocketConfig(payload_format=PayloadFormat.JSON, socket_config=MqttConfig(host="mosquitto", port=1883))
)
app = DistributedApplication(default_socket_provider=socket_provider)


class Unit:
    name = "l/min"


@app.application("programs/mqtt-0-4/questions", state=Unit(), client_id="oracle-1", client_name="oracle")
async def answer(message: SpaMessage, socket: SpaSocket, message_builder: MessageBuilder, state: Unit, **kwargs):
    await socket.publish(
        message_builder(
            payload=f"{message.client_name}: {message.payload.decode()} {state.name}",
            topic=message.response_topic,
        )
    )


@app.application(["programs/mqtt-0-4/ends", "programs/mqtt-0-4/other"])
async def end(message: SpaMessage, socket: SpaSocket, message_builder: MessageBuilder, **kwargs):
    logger.info(f"{message.topic} at {int(message.timestamp)}: {message.payload.decode()}")
    await socket.publish(message_builder(payload="bye", topic=message.response_topic))


@app.producer(client_name="gauge")
async def ask(socket: SpaSocket, message_builder: MessageBuilder, **kwargs):
    async def request(**fields):
        while True:
            try:
                return await asyncio.wait_for(socket.request(message_builder(**fields)), timeout=2)
            except asyncio.TimeoutError:
                pass  # nobody listens yet

    for litres in ("100.6", "99.8", "101.2"):
        response = await request(payload=litres, topic="programs/mqtt-0-4/questions")
        logger.info(f"{response.client_name} ({response.client_id}): {response.payload.decode()}")
    response = await request(payload="that was all", topic="programs/mqtt-0-4/ends", timestamp=1690000000)
    logger.info(response.payload.decode())


app.start()
