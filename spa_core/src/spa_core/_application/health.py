"""A snapshot of how applications are: plain values, for the command line, a health page or a test."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from spa_core._delivery.progress import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spa_core._application.applications import AbstractApplication, State

__all__ = ["ApplicationHealth", "Health", "RunningHandler"]


class RunningHandler(msgspec.Struct, frozen=True, kw_only=True):
    """
    A handler that is running.

    Attributes:
        topic: The topic of its message.
        seconds: How long it has been running, retries included.
    """

    topic: str
    seconds: float


class ApplicationHealth(msgspec.Struct, frozen=True, kw_only=True):
    """
    How one application is.

    Attributes:
        name: Its name.
        state: ``"new"``, ``"starting"``, ``"running"``, ``"draining"``, ``"stopped"`` or ``"failed"``.
        connected: Whether its transport says it is connected.
        in_flight: Handlers running now.
        seconds_since_settled: How long ago it last settled a message; ``None`` if it never did. Together with
            ``in_flight`` this tells a stuck application from an idle one.
        oldest: The handler that has been running longest; ``None`` if none runs.
        counts: What happened to its messages so far; all 0 for a producer.
        requests_pending: Requests of its own that wait for a reply.
        late_replies: Replies that came too late; they were dropped.
        transport: What its transport counts, by name, such as messages dropped because they came too fast; empty for a
            transport that counts nothing, and while it is not open.
    """

    name: str
    state: str
    connected: bool
    in_flight: int
    seconds_since_settled: float | None
    oldest: RunningHandler | None
    counts: Counts
    requests_pending: int
    late_replies: int
    transport: Mapping[str, int]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """
    How all applications of a :class:`DistributedApplication` are.

    Attributes:
        state: The state they share, or the first of ``"failed"``, ``"draining"``, ``"starting"``, ``"running"``,
            ``"stopped"`` that any of them is in.
        applications: Each application, in order of registration.
    """

    state: str
    applications: tuple[ApplicationHealth, ...]


_WORST_FIRST: tuple[State, ...] = ("failed", "draining", "starting", "running", "stopped", "new")


def health_of(applications: Sequence[AbstractApplication]) -> Health:
    """Take a snapshot; nothing in it changes afterwards."""
    states = {application.status for application in applications}
    state = next((state for state in _WORST_FIRST if state in states), "new")
    return Health(state=state, applications=tuple(_one(application) for application in applications))


def _one(application: AbstractApplication) -> ApplicationHealth:
    progress, socket = application.progress, application.socket
    running = progress.running() if progress is not None else []
    oldest = None
    if running and running[0].message is not None:
        seconds = time.monotonic() - running[0].started
        oldest = RunningHandler(topic=running[0].message.topic, seconds=seconds)
    return ApplicationHealth(
        name=application.name,
        state=application.status,
        connected=socket is not None and socket.connected,
        in_flight=len(running),
        seconds_since_settled=progress.seconds_since_settled() if progress is not None else None,
        oldest=oldest,
        counts=msgspec.structs.replace(progress.counts) if progress is not None else Counts(),
        requests_pending=socket.requests_pending if socket is not None else 0,
        late_replies=socket.late_replies if socket is not None else 0,
        transport=socket.counters if socket is not None else {},
    )
