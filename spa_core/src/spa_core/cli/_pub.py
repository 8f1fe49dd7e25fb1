"""``spa pub``: publishes what it is given to one topic, by URL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import anyio
import click

from spa_core._discovery.factory import SocketProviderFactory
from spa_core.cli._input import STANDARD_INPUT, lines
from spa_core.cli._parameters import MessageOptions, make_message, message_options, sole_payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Unpack

    from spa_core._messaging.provider import SocketProvider
    from spa_core.message import SpaMessage

_BATCH: Final = 1000  # bounds the memory of --count


@click.command
@click.argument("url")
@click.argument("topic")
@click.argument("payload", required=False)
@message_options
@click.option("--retain", is_flag=True, help="Keep the message for later subscribers.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="Publish the payload so many times.  [default: 1]")
def pub(
    *,
    url: str,
    topic: str,
    payload: str | None,
    file: BinaryIO | None,
    count: int | None,
    retain: bool,
    **options: Unpack[MessageOptions],
) -> None:
    r"""
    Publish messages to TOPIC of the bus at URL.

    PAYLOAD goes out as it is. With - for it, every line of standard input is a message, sent as soon as it is read.
    Ends when the last message was accepted.
    """
    make = partial(make_message, topic, retain=retain, **options)
    if payload == "-" and file is None:
        if count is not None:
            raise click.UsageError("--count is for one payload, not for the lines of standard input.")
        batches = messages_of(lines(STANDARD_INPUT), make)
    else:
        batches = repeated(partial(make, sole_payload(payload, file)), count or 1)
    anyio.run(publish, SocketProviderFactory.from_url(url).overwrite_config(topics=()), batches)


async def publish(provider: SocketProvider[Any], batches: AsyncIterator[list[SpaMessage]]) -> None:
    """
    Publish batches of messages in order; return once all are accepted.

    Raises:
        SpaError: The bus cannot be reached, or a message was not accepted.
    """
    async with provider.create_socket() as socket:
        async for batch in batches:
            await socket.publish_many(batch)


async def repeated(make: Callable[[], SpaMessage], count: int) -> AsyncIterator[list[SpaMessage]]:
    """Yield *count* messages in batches."""
    for start in range(0, count, _BATCH):
        yield [make() for _ in range(min(_BATCH, count - start))]


async def messages_of(
    payloads: AsyncIterator[list[bytes]], make: Callable[[bytes], SpaMessage]
) -> AsyncIterator[list[SpaMessage]]:
    """Yield a message for each payload."""
    async for batch in payloads:
        yield [make(payload) for payload in batch]
