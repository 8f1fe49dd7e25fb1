"""``spa req``: sends one request by URL and prints its reply."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio
import click

from spa_core._discovery.factory import SocketProviderFactory
from spa_core.cli._output import Output, as_json
from spa_core.cli._parameters import MessageOptions, duration, make_message, message_options, sole_payload

if TYPE_CHECKING:
    from typing import Unpack

    from spa_core._messaging.provider import SocketProvider
    from spa_core.message import SpaMessage

EPILOG = "Exit codes: 0 a reply came, 1 none came (timeout, nobody listens, the responder failed), 2 wrong use."


@click.command(epilog=EPILOG)
@click.argument("url")
@click.argument("topic")
@click.argument("payload", required=False)
@message_options
@click.option("--timeout", type=duration, help="How long to wait for the reply, such as 5s.  [default: the URL's]")
@click.option("--json", "in_json", is_flag=True, help="Print the whole reply as one line of JSON.")
def req(
    *,
    url: str,
    topic: str,
    payload: str | None,
    file: BinaryIO | None,
    timeout: float | None,
    in_json: bool,
    **options: Unpack[MessageOptions],
) -> None:
    """
    Send a request to TOPIC of the bus at URL and print the payload of its reply.

    Without PAYLOAD and --file the request is empty.
    """
    body = b"" if payload is None and file is None else sole_payload(payload, file)
    request = make_message(topic, body, **options)
    provider = SocketProviderFactory.from_url(url).overwrite_config(topics=())
    reply = anyio.run(partial(ask, provider, request, timeout=timeout))
    Output().write(as_json(reply) if in_json else reply.payload + b"\n")


async def ask(provider: SocketProvider[Any], request: SpaMessage, *, timeout: float | None) -> SpaMessage:
    """
    Return the reply to a request.

    Raises:
        RequestError: No reply came that could be returned.
        SpaError: The bus cannot be reached, or the request was not accepted.
    """
    async with provider.create_socket() as socket:
        return await socket.request(request, timeout=timeout)
