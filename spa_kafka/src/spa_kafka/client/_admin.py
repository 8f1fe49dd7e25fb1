"""The driver's way to look at a cluster and to declare topics; tells of connections that break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka import errors as driver_errors  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from aiokafka.protocol.admin import ApiVersionRequest  # type: ignore[import-untyped]

from spa_kafka.client._careful import careful
from spa_kafka.client._errors import DRIVER_ERRORS, DeniedError, connect_error, translated
from spa_kafka.client._stopping import in_good_order, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AdminLink"]

_NEVER: Final = 2**31 - 1
"""The most milliseconds that the driver takes."""


class AdminLink:
    """
    A connection for looking at the cluster and declaring topics.

    Args:
        arguments: Of the driver's clients.
        on_broken: Told, in words, when a connection of this link breaks.
    """

    def __init__(self, arguments: Mapping[str, Any], on_broken: Callable[[str], None]) -> None:
        # It would list all topics by itself now and then, and keep what nobody looks at.
        own: dict[str, Any] = {**arguments, "metadata_max_age_ms": _NEVER}
        self._admin: Any = AIOKafkaAdminClient(**own)
        self._client: Any = self._admin._client  # noqa: SLF001 - it shows less than it has
        careful(self._client, on_broken=on_broken)

    async def start(self) -> None:
        """
        Connect.

        Raises:
            ConnectError: No host can be connected to, or none lets us in.
        """
        try:
            await self._admin.start()
            await self._client.fetch_all_metadata()
        except DRIVER_ERRORS as error:
            raise connect_error(error) from error.__cause__ or error

    async def restart(self) -> None:
        """
        Connect again, over the brokers known or those configured.

        Raises:
            TransportError: Still no broker answers.
        """
        try:
            await self._client.fetch_all_metadata()
        except DRIVER_ERRORS:
            try:
                await self._client.bootstrap()
                await self._client.fetch_all_metadata()
            except DRIVER_ERRORS as error:
                raise translated(error, "connecting again") from error

    async def ping(self) -> None:
        """
        Prove that a broker answers.

        Raises:
            TransportError: None does.
        """
        try:
            await self._client.send(self._client.get_random_node(), ApiVersionRequest())
        except DRIVER_ERRORS as error:
            raise translated(error, "asking for a sign of life") from error

    async def stop(self) -> None:
        """Disconnect."""
        if not await in_good_order(self._admin.close()):
            await stopped([self._client._sync_task])  # noqa: SLF001

    async def topics(self) -> tuple[dict[str, int], set[str]]:
        """
        Return every topic with the number of its partitions, and those of them that cannot be used for the moment.

        Asking makes none. A topic cannot be used while one of its partitions has no leader.

        Raises:
            TransportError: No broker answers.
        """
        try:
            cluster = await self._client.fetch_all_metadata()
        except DRIVER_ERRORS as error:
            raise translated(error, "listing topics") from error
        topics = {topic: len(found) for topic in cluster.topics() if (found := cluster.partitions_for_topic(topic))}
        led = {topic: len(cluster.available_partitions_for_topic(topic) or ()) for topic in topics}
        return topics, {topic for topic, partitions in topics.items() if led[topic] < partitions}

    async def partitions(self, topic: str) -> int:
        """
        Return the number of a topic's partitions, 0 until each can be used; only for a topic that was made.

        Raises:
            TransportError: No broker answers.
        """
        try:
            [found] = await self._admin.describe_topics([topic])
        except DRIVER_ERRORS as error:
            raise translated(error, f"looking for topic {topic}") from error
        led = [each for each in found["partitions"] if each["error_code"] == 0 and each["leader"] >= 0]
        return len(led) if found["error_code"] == 0 and len(led) == len(found["partitions"]) else 0

    async def create(self, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str]) -> None:
        """
        Create a topic; one that exists stays as it is. ``-1`` leaves a number to the broker.

        Raises:
            DeniedError: The broker refuses.
            TransportError: No broker answers.
        """
        new = NewTopic(topic, partitions, replication, replica_assignments={}, topic_configs=dict(configs))
        try:
            response = await self._admin.create_topics([new])
        except DRIVER_ERRORS as error:
            raise translated(error, f"creating topic {topic}") from error
        for name, code, *text in response.topic_errors:
            kind = driver_errors.for_code(code)
            if kind not in (driver_errors.NoError, driver_errors.TopicAlreadyExistsError):
                words = next((each for each in text if each), kind.description)
                raise DeniedError(f"the broker refused to create topic {name}: {kind.__name__}: {words}")

    async def delete(self, topic: str) -> None:
        """
        Delete a topic.

        Raises:
            TransportError: No broker answers, or it refuses.
        """
        try:
            await self._admin.delete_topics([topic])
        except DRIVER_ERRORS as error:
            raise translated(error, f"deleting topic {topic}") from error
