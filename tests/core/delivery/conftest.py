"""What the tests of delivery share: consumers of a scripted broker, run by a pipeline."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import FailurePolicy, SpaMessage
from spa_core._delivery.handling import Consumer
from spa_core._delivery.pipeline import Pipeline
from spa_core._groups import collapsing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup
    from tests.core.conftest import Broker, ScriptedProvider, ScriptedSubscription

    Benches = Callable[..., AbstractAsyncContextManager["Bench"]]

    from spa_core import Counts, SpaSocket
    from spa_core._delivery.pipeline import Ordering
    from spa_core._delivery.progress import Progress
    from spa_core.transport import Capabilities

AT_ONCE = FailurePolicy(backoff=0)


class Bench:
    """
    One consumer on a scripted broker, subscribed to ``in/#`` and running.

    Attributes:
        socket: Its socket.
        progress: What it has done.
        subscription: Where its messages come from.
    """

    def __init__(self, broker: Broker, socket: SpaSocket, progress: Progress, tasks: TaskGroup) -> None:
        self.socket = socket
        self.progress = progress
        self.subscription: ScriptedSubscription = broker.subscriptions[-1]
        self._tasks = tasks

    @property
    def counts(self) -> Counts:
        """What happened to its messages."""
        return self.progress.counts

    def send(self, topic: str = "in/a", payload: bytes | str = b"", *, attempt: int | None = 1, **fields: Any) -> None:
        """Let a message wait for it."""
        self.subscription.add(SpaMessage(topic=topic, payload=payload, **fields), attempt=attempt)

    def cancel(self) -> None:
        """Cancel it as an application that ran out of time is."""
        self._tasks.cancel_scope.cancel()


@pytest.fixture
def bench(broker: Broker) -> Benches:
    """Return what runs a handler on a bench of its own; unless *bind* says otherwise it gets ``message=``."""

    @asynccontextmanager
    async def run(
        call: Callable[..., Awaitable[object]],
        *,
        on: Broker = broker,
        concurrency: int = 1,
        ordering: Ordering = "key",
        prefetch: int = 100,
        topics: tuple[str, ...] = ("in/#",),
        capabilities: Capabilities | None = None,
        **options: Any,
    ) -> AsyncGenerator[Bench]:
        provider = on.provider(capabilities=capabilities, default_subscription_topics=topics, prefetch=prefetch)
        pipeline = Pipeline(concurrency=concurrency, ordering=ordering, prefetch=prefetch)
        with collapsing():
            async with provider.create_socket() as socket, anyio.create_task_group() as tasks:
                tasks.start_soon(pipeline.run, _consumer(call, socket, provider, **options), socket.consume)
                yield Bench(on, socket, pipeline.progress, tasks)
                await socket.stop_fetching()

    return run


def _consumer(
    call: Callable[..., Awaitable[object]], socket: SpaSocket, provider: ScriptedProvider, **options: Any
) -> Consumer:
    policy = options.get("policy", AT_ONCE)
    defaults = {
        "name": "detect",
        "group": "detector",
        "bind": lambda message: {"message": message},
        "policy": AT_ONCE,
        "dead_letter_topic": policy.dead_letter_topic or provider.dead_letter_topic,
    }
    return Consumer(
        call=call,
        publish=socket.publish,
        reply=socket.reply,
        reply_error=socket.reply_error,
        capabilities=provider.capabilities,
        **{**defaults, **options},
    )
