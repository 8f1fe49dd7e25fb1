"""The driver's consumer: places and offsets in, records out; it commits and decides nothing by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiokafka import (  # type: ignore[import-untyped]
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    TopicPartition,
)
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor  # type: ignore[import-untyped]
from aiokafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from spa_core.errors import DisconnectedError
from spa_kafka.client._careful import careful
from spa_kafka.client._errors import COORDINATOR_ERRORS, DRIVER_ERRORS, PartitionsLostError, translated
from spa_kafka.client._stopping import in_good_order, stopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from spa_kafka.assignment import Place

__all__ = ["ConsumerLink", "Record"]


class Record(Protocol):
    """A record as the broker has it; all is read-only."""

    @property
    def topic(self) -> str:
        """The topic's name at the broker."""
        ...

    @property
    def partition(self) -> int:
        """The partition's number."""
        ...

    @property
    def offset(self) -> int:
        """The place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch."""
        ...

    @property
    def timestamp_type(self) -> int | None:
        """0 if the sender made the timestamp, 1 if the broker did."""
        ...

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
        """The headers, in order; names may come twice."""
        ...


_BACKOFF: Final = 0.05
"""Seconds before a commit is tried again at another coordinator."""

_GRACE: Final = 5.0
"""Seconds that a broker gets to answer after the last member of a group has let go."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands the driver's news on; it awaits coroutines, whatever it says. All partitions are revoked, always."""

    def __init__(
        self,
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[Collection[Place]], Awaitable[None]],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Collection[Place]) -> None:  # noqa: ARG002  # pyright: ignore[reportIncompatibleMethodOverride]
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Collection[Place]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        await self._assigned(assigned)


class ConsumerLink:
    """
    One consumer of the driver.

    Args:
        arguments: Of the driver's consumer.
        group: The group's id at the broker; ``None`` for a consumer that is assigned partitions by hand.
    """

    def __init__(self, arguments: Mapping[str, Any], group: str | None) -> None:
        self._consumer: Any = AIOKafkaConsumer(
            **arguments,
            group_id=group,
            enable_auto_commit=False,
            # Positions are always set by us; this is for those that the broker has no more, where it starts again.
            auto_offset_reset="earliest",
            # Whether handlers hang is watched by us: they may take as long as they need.
            max_poll_interval_ms=2**31 - 1,
            # One and no more: the driver joins once for each, and two members would make each other join for ever.
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        )
        careful(self._consumer._client, joining=arguments["rebalance_timeout_ms"] / 1000 + _GRACE)  # noqa: SLF001 - it makes its own
        self._listener: _Listener | None = None

    async def start(self) -> None:
        """
        Connect.

        Raises:
            TransportError: No broker answers, or it refuses.
        """
        try:
            await self._consumer.start()
        except DRIVER_ERRORS as error:
            raise translated(error, "starting to consume") from error

    def listen(
        self,
        topics: Iterable[str],
        *,
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[Collection[Place]], Awaitable[None]],
    ) -> None:
        """Join the group for *topics*, or change them; awaited before partitions go and after they came."""
        self._listener = self._listener or _Listener(revoked, assigned)
        self._consumer.subscribe(topics=list(topics), listener=self._listener)

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Fetch these partitions from these positions, and no others."""
        self._consumer.assign([TopicPartition(*place) for place in positions])
        for place, offset in positions.items():
            self.seek(place, offset)

    def seek(self, place: Place, offset: int) -> None:
        """Fetch a partition from another position."""
        self._consumer.seek(TopicPartition(*place), offset)

    async def poll(self, seconds: float, most: int, places: Iterable[Place] = ()) -> Mapping[Place, Sequence[Record]]:
        """
        Return what was fetched, up to *most* records, at the latest after *seconds*.

        With *places* the others wait in the driver, which fetches no more for them until they are asked for. Pausing
        them would drop what was fetched, and cost five times as much as it spares.

        Raises:
            TransportError: Fetching has ended or is refused.
        """
        try:
            batches: Mapping[Place, Sequence[Record]] = await self._consumer.getmany(
                *(TopicPartition(*place) for place in places), timeout_ms=int(seconds * 1000), max_records=most
            )
        except DRIVER_ERRORS as error:
            raise translated(error, "fetching") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not ours: of a task of the driver that was cancelled, whose outcome it hands on.
            raise DisconnectedError("a task of the driver was cancelled") from error
        if not batches:
            self._check_alive()
        return batches

    def lacks(self, topics: Iterable[str]) -> bool:
        """Whether the driver has been told of any of these topics that it is not there."""
        return any(self._consumer.partitions_for_topic(topic) is None for topic in topics)

    def _check_alive(self) -> None:
        # Should one of these tasks die, the driver would return nothing for ever.
        tasks = {"fetching": self._consumer._fetcher._fetch_task}  # noqa: SLF001 - it tells nobody
        tasks["the group's coordination"] = getattr(self._consumer._coordinator, "_coordination_task", None)  # noqa: SLF001
        for what, task in tasks.items():
            if task is not None and task.done():
                cause = None if task.cancelled() else task.exception()
                raise DisconnectedError(f"{what} ended in the driver: {cause!r}") from cause

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the offset that the next record of each partition gets."""
        return await self._offsets(self._consumer.end_offsets, places)

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the offset of the oldest record of each partition."""
        return await self._offsets(self._consumer.beginning_offsets, places)

    async def _offsets(
        self, ask: Callable[[list[Any]], Awaitable[Mapping[Place, int]]], places: Iterable[Place]
    ) -> dict[Place, int]:
        wanted = [TopicPartition(*place) for place in places]
        if not wanted:
            return {}
        client = self._consumer._client  # noqa: SLF001 - it would look for one topic after the other
        try:
            await client.set_topics(client._topics | {place.topic for place in wanted})  # noqa: SLF001
            return {(topic, number): offset for (topic, number), offset in (await ask(wanted)).items()}
        except DRIVER_ERRORS as error:
            raise translated(error, "asking for offsets") from error

    async def committed(self, places: Iterable[Place]) -> dict[Place, tuple[int, str]]:
        """
        Return what the group has committed: offsets and the text beside them, for partitions that have any.

        Raises:
            TransportError: The broker does not answer, or refuses.
        """
        wanted = [TopicPartition(*place) for place in places]
        try:
            found = await self._consumer._coordinator.fetch_committed_offsets(wanted)  # noqa: SLF001 - with the text
        except DRIVER_ERRORS as error:
            raise translated(error, "asking for committed offsets") from error
        return {tuple(place): (each.offset, each.metadata or "") for place, each in found.items() if each.offset >= 0}

    async def commit(self, offsets: Mapping[Place, tuple[int, str]], seconds: float) -> None:
        """
        Commit, within *seconds*; tried again while the group has no coordinator, and for no other reason.

        Raises:
            PartitionsLostError: The group has gone on without this member.
            TransportError: It was not committed, or it is not known whether it was.
        """
        coordinator = self._consumer._coordinator  # noqa: SLF001 - its own commit tries for ever, see below
        subscription = self._consumer._subscription.subscription  # noqa: SLF001
        if subscription is None or subscription.assignment is None:
            raise PartitionsLostError("the partitions were given back before they were committed")
        wanted = {TopicPartition(*place): OffsetAndMetadata(*value) for place, value in offsets.items()}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await coordinator.ensure_coordinator_known()
                    try:
                        async with coordinator._commit_lock:  # noqa: SLF001
                            sending = asyncio.create_task(
                                coordinator._do_commit_offsets(subscription.assignment, wanted)  # noqa: SLF001
                            )
                            sending.add_done_callback(_retrieve)
                            await asyncio.shield(sending)
                    except COORDINATOR_ERRORS:
                        await asyncio.sleep(_BACKOFF)
                        continue
                    # Nothing else is tried again: to a topic that was deleted, and made again while the driver tries,
                    # it would commit what the old one had, and skip as many records of the new one.
                    return
        except DRIVER_ERRORS as error:
            raise translated(error, "committing") from error

    async def stop(self) -> None:
        """Leave the group and disconnect, whatever state the driver is in."""
        consumer = self._consumer
        if await in_good_order(consumer.stop()):
            return
        coordinator, fetcher, client = consumer._coordinator, consumer._fetcher, consumer._client  # noqa: SLF001
        names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
        await stopped(getattr(coordinator, name, None) for name in names)
        if getattr(coordinator, "generation", 0) > 0:
            # Or the others would wait for this member until its session has expired.
            await in_good_order(coordinator.maybe_leave_group())
        if fetcher is not None:
            await in_good_order(fetcher.close())
            await stopped([fetcher._fetch_task, *fetcher._pending_tasks])  # noqa: SLF001
        if not await in_good_order(client.close()):
            await stopped([client._sync_task])  # noqa: SLF001


def _retrieve(sending: asyncio.Task[None]) -> None:
    """Look at the outcome of a commit that nobody waits for any more, or it would be reported as overlooked."""
    if not sending.cancelled():
        sending.exception()
