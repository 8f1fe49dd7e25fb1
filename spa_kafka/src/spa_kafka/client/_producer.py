"""The driver's producer: whole batches out, each to one partition; order, queues and deadlines are not its business."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import ProducerClosed  # type: ignore[import-untyped]
from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]

from spa_kafka.client._careful import careful
from spa_kafka.client._errors import DRIVER_ERRORS, translated
from spa_kafka.client._stopping import in_good_order, stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Batch", "ProducerLink", "Sendable", "key_hash"]


class Sendable(Protocol):
    """What a record to be sent is made of; all is read-only."""

    @property
    def key(self) -> bytes | None:
        """The key."""
        ...

    @property
    def value(self) -> bytes | None:
        """The body; ``None`` is a tombstone."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """The headers."""
        ...

    @property
    def timestamp(self) -> int | None:
        """Milliseconds since the epoch; ``None`` is now."""
        ...


class Batch(Protocol):
    """A batch of the driver, which takes records until it is full."""

    def record_count(self) -> int:
        """Return how many records it holds."""
        ...


def key_hash(key: bytes) -> int:
    """Return the hash by which every Kafka client chooses the partition of a key."""
    number: int = murmur2(key) & 0x7FFFFFFF
    return number


class ProducerLink:
    """
    One producer of the driver.

    Args:
        arguments: Of the driver's producer.
        idempotent: Whether the broker is to write nothing twice, however often the driver sends it.
    """

    def __init__(self, arguments: Mapping[str, Any], *, idempotent: bool) -> None:
        self.idempotent = idempotent
        self._producer: Any = AIOKafkaProducer(**arguments, enable_idempotence=idempotent)
        careful(self._producer.client)

    async def start(self) -> None:
        """
        Connect.

        Raises:
            TransportError: No broker answers, or it refuses.
        """
        try:
            await self._producer.start()
        except DRIVER_ERRORS as error:
            raise translated(error, "starting to produce") from error

    @property
    def alive(self) -> bool:
        """Whether it still sends."""
        task = self._producer._sender.sender_task  # noqa: SLF001 - it tells only those who wait
        return task is not None and not task.done()

    async def partitions(self, topic: str) -> int:
        """
        Return the number of a topic's partitions; where the broker makes topics that are asked for, this makes it.

        Raises:
            TransportError: There is no such topic, or no broker answers.
        """
        try:
            return len(await self._producer.partitions_for(topic))
        except DRIVER_ERRORS as error:
            raise translated(error, f"looking for topic {topic}") from error

    def fill(self, records: Iterable[Sendable]) -> Batch:
        """Return a batch of as many of *records* as fit, and the first in any case."""
        batch = self._producer.create_batch()
        for record in records:
            if not batch.append(key=record.key, value=record.value, headers=record.headers, timestamp=record.timestamp):
                break
        batch.close()
        full: Batch = batch
        return full

    async def send(self, batch: Batch, topic: str, partition: int) -> None:
        """
        Send a batch; return once all replicas in sync have it. Cancelling does not take back what is under way.

        Raises:
            BatchTooLargeError: The broker takes no batch of this size.
            DeniedError: The broker refuses it for good.
            ProducerLostError: Nothing was written; a new producer is needed.
            TransportError: It is not known whether it was written.
        """
        try:
            accepted = await self._producer.send_batch(batch, topic, partition=partition)
            waiting = self._producer._message_accumulator._batches  # noqa: SLF001 - the driver hands out less
            _do_not_complain(waiting[topic, partition][-1])
            await accepted
        except DRIVER_ERRORS as error:
            raise translated(error, f"publishing to {topic}") from error

    def forget(self, topic: str) -> None:
        """Ask for this topic no more: where brokers make topics that are asked for, it would come back."""
        self._producer.client._topics.discard(topic)  # noqa: SLF001 - the driver only ever adds

    async def stop(self) -> None:
        """Disconnect; whatever is still under way is given up."""
        producer = self._producer
        accumulator, sender = producer._message_accumulator, producer._sender  # noqa: SLF001
        pending = accumulator._pending_batches  # noqa: SLF001
        # One that waits to be sent again is not among them, where it is taken out of when it fails.
        pending.update(chain.from_iterable(accumulator._batches.values()))  # noqa: SLF001
        accumulator.fail_all(ProducerClosed())
        if not await in_good_order(producer.stop()):
            await stopped([sender.sender_task])
            if not await in_good_order(producer.client.close()):
                await stopped([producer.client._sync_task])  # noqa: SLF001


def _do_not_complain(batch: Any) -> None:  # noqa: ANN401 - the driver has no types
    """Have a batch fail without a complaint that nobody looks: who sent it may wait no longer."""
    fail = batch.failure

    def failure(exception: Exception) -> None:
        fail(exception)
        for future in (batch.future, batch._drain_waiter):  # noqa: SLF001 - both are failed
            if future.done() and not future.cancelled():
                future.exception()

    batch.failure = failure
