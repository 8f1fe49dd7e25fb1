"""The broker between a deployed node and whoever talks to it; knows how each is told of it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from anyio.lowlevel import checkpoint

__all__ = ["Bus"]


class Bus(NamedTuple):
    """
    A broker.

    Attributes:
        kind: What it speaks.
        host: Its address.
        port: Its port.
    """

    kind: Literal["mqtt", "kafka"]
    host: str
    port: int

    def in_spa_dat(self, **more: Any) -> dict[str, Any]:
        """Return the configuration a node is given, with *more* fields."""
        if self.kind == "mqtt":
            return {"mqtt": {"host": self.host, "port": self.port, **more}}
        return {"kafka": {"bootstrap_servers": f"{self.host}:{self.port}", **more}}

    def name(self, topic: str) -> str:
        """Return a topic's name at the broker: Kafka has no levels."""
        return topic if self.kind == "mqtt" else topic.replace("/", ".")

    async def create_topics(self, *names: str) -> None:
        """Make topics as their owner would, where they need to be made: spa-dat can hang if it makes them itself."""
        if self.kind == "mqtt":
            return
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{self.host}:{self.port}")
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, 1, 1) for name in names])
            while not set(names) <= set(await admin.list_topics()):
                await checkpoint()  # a broker knows a new topic before it shows it
        finally:
            await admin.close()

    async def topics(self) -> set[str]:
        """Return the names of Kafka's topics, its own left out."""
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{self.host}:{self.port}")
        await admin.start()
        try:
            return {name for name in await admin.list_topics() if not name.startswith("__")}
        finally:
            await admin.close()

    async def members(self, group: str) -> list[str]:
        """Return the ids of the members of one of Kafka's groups that have all got their share."""
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{self.host}:{self.port}")
        await admin.start()
        try:
            [response] = await admin.describe_consumer_groups([group])
        finally:
            await admin.close()
        [(_, _, state, _, _, members, *_)] = response.groups
        return [member[0] for member in members] if state == "Stable" else []
