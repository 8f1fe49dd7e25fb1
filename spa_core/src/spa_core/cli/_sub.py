"""``spa sub``: prints the messages of some topics, by URL, until it is stopped or has seen enough."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import click
from anyio.to_thread import run_sync

from spa_core._discovery.factory import SocketProviderFactory
from spa_core._groups import collapsing
from spa_core.cli._endings import DONE, FORCED, end
from spa_core.cli._output import Output, as_json, as_line
from spa_core.transport import ACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup, TaskStatus

    from spa_core._messaging.provider import SocketProvider
    from spa_core._messaging.socket import SpaSocket
    from spa_core.message import SpaMessage
    from spa_core.transport import Subscription

_BATCH: Final = 100

EPILOG = """\b
Exit codes:
  0    as many messages as asked for, stopped by Ctrl-C or SIGTERM, or the reader of the output ended
  1    the bus cannot be reached, or refused the subscription
  2    wrong use
  130  a second signal did not wait for the end
"""


@click.command(epilog=EPILOG)
@click.argument("url")
@click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("-g", "--group", help="Share the messages with the other members of this group.")
@click.option("--json", "in_json", is_flag=True, help="Print each message with all its fields as one line of JSON.")
@click.pass_context
def sub(
    ctx: click.Context, url: str, topics: tuple[str, ...], count: int | None, group: str | None, *, in_json: bool
) -> None:
    """
    Print the messages of TOPICs of the bus at URL as they arrive.

    A TOPIC may hold the wildcards + (one level) and # (the rest). A line is the topic and the payload as text, control
    characters escaped; --json tells everything. A message counts as handled when its line was written.
    """
    provider = SocketProviderFactory.from_url(url)
    provider = provider.overwrite_config(topics=topics, group=group or provider.config.group)
    printing = Printing(as_json if in_json else as_line, Output(), limit=count)
    end(ctx, anyio.run(subscribe, provider, printing))


class Printing:
    """
    What happens to the messages of one subscription: written, then settled, until there were enough.

    Args:
        form: Makes a line of a message.
        output: Where lines go.
        limit: How many messages are enough; ``None`` is never.
    """

    def __init__(self, form: Callable[[SpaMessage], bytes], output: Output, *, limit: int | None = None) -> None:
        self._form = form
        self._output = output
        self._left = limit

    async def take(self, subscription: Subscription) -> None:
        """
        Write and settle messages until there were enough.

        Raises:
            EndOfSubscription: Fetching was stopped before that.
            OutputClosed: Nobody reads the output; what was not written stays unsettled.
        """
        while self._left is None or self._left > 0:
            batch = await subscription.receive_batch(_BATCH if self._left is None else min(self._left, _BATCH))
            data = b"".join(self._form(delivery.message) for delivery in batch)
            # In a thread: a reader of the output that is slow must not keep the connection from being kept alive.
            await run_sync(self._output.write, data, abandon_on_cancel=True)
            for delivery in batch:
                await delivery.settle(ACK)
            if self._left is not None:
                self._left -= len(batch)


async def subscribe(provider: SocketProvider[Any], printing: Printing) -> int:
    """
    Print messages of the default topics until there were enough or a signal came; return the exit code.

    The first SIGINT or SIGTERM stops fetching and lets what was fetched be printed and settled; a second one does not
    wait for that.

    Raises:
        OutputClosed: Nobody reads the output.
        SpaError: The bus cannot be reached, or refused the subscription.
    """
    stopping = Stopping()
    with collapsing():
        async with anyio.create_task_group() as tasks:
            await tasks.start(stopping.watch_signals, tasks)
            with stopping.scope:
                async with provider.create_socket() as socket:
                    stopping.socket = socket
                    await socket.consume(partial(_until_enough, socket, printing))
            tasks.cancel_scope.cancel()
    return stopping.exit_code


async def _until_enough(socket: SpaSocket, printing: Printing, subscription: Subscription) -> None:
    await printing.take(subscription)
    await socket.stop_fetching()


class Stopping:
    """
    What signals do: the first stops fetching, or the opening of the socket; a second one cancels everything.

    Attributes:
        scope: What is cancelled.
        socket: The socket, once it is open and subscribed.
        exit_code: 0, or 130 after a second signal.
    """

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.socket: SpaSocket | None = None
        self.exit_code = DONE
        self._signalled = False

    async def watch_signals(
        self, tasks: TaskGroup, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """React to signals until cancelled; what takes time is done in *tasks*, so that a second signal is seen."""
        try:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                task_status.started()
                async for _ in signals:
                    self._react(tasks)
        except NotImplementedError:
            # Event loops on Windows take no signal handlers; there Ctrl-C interrupts as it does everywhere in Python.
            task_status.started()

    def _react(self, tasks: TaskGroup) -> None:
        if self._signalled:
            self.exit_code = FORCED
            self.scope.cancel()
        elif self.socket is None:
            self.scope.cancel()
        else:
            tasks.start_soon(self.socket.stop_fetching)
        self._signalled = True
