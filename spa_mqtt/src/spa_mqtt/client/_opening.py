"""From an address to what packets travel over, in paho's terms, and every failure on the way in SPA's."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho

from spa_core.errors import ConnectError
from spa_mqtt.address import WEBSOCKET_SCHEMES
from spa_mqtt.client._buffered import BufferedSocket
from spa_mqtt.dialing import dial, dial_unix, encrypted
from spa_mqtt.failures import encryption_failed, unreachable

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from spa_core.url import Host
    from spa_mqtt.connecting import Settings

__all__ = ["open_way"]


async def open_way(settings: Settings, on_stage: Callable[[str], None]) -> Any:  # noqa: ANN401 - paho's websocket has no type
    """
    Return an open socket, or paho's websocket; cancel-safe: nothing stays open.

    Args:
        settings: Where to.
        on_stage: Told what is being done, for people.

    Raises:
        ConnectError: The broker cannot be reached in this way; ``retriable`` tells whether another attempt can help.
    """
    try:
        return await _opened(settings, on_stage)
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise encryption_failed(settings.where, error) from error
    except paho.WebsocketConnectionError as error:
        raise ConnectError(f"{settings.where} gives no MQTT over websockets: {error}") from error
    except UnicodeError as error:
        failure = ConnectError(f"{settings.where} cannot be the name of a host: {error}")
        failure.retriable = False
        raise failure from error
    except OSError as error:
        raise unreachable(settings.where, error) from error


async def _opened(settings: Settings, on_stage: Callable[[str], None]) -> Any:  # noqa: ANN401 - as above
    host, config = settings.host, settings.config
    if host is None:
        return BufferedSocket(await dial_unix(config.unix_path or ""))
    raw = await dial(host, nodelay=config.nodelay, seconds=config.connect_timeout)
    if settings.tls is not None:
        on_stage("encrypting")
        raw = await encrypted(raw, settings.tls, host.name)
    if config.scheme not in WEBSOCKET_SCHEMES:
        return BufferedSocket(raw)
    on_stage("upgrading to a websocket")
    # Not buffered: it does so itself, and counts on being asked again for the same number of bytes.
    return await _upgraded(raw, host, settings)


async def _upgraded(raw: socket.socket, host: Host, settings: Settings) -> Any:  # noqa: ANN401 - as above
    websocket: Any = paho._WebsocketWrapper  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    path, is_tls = settings.config.websocket_path, settings.tls is not None
    try:
        # It waits in a thread of its own, which closing the socket ends.
        raw.settimeout(settings.config.connect_timeout)
        upgrade = partial(websocket, raw, host.name, host.port, is_tls, path, None)
        return await asyncio.get_running_loop().run_in_executor(None, upgrade)
    except BaseException:
        raw.close()
        raise
