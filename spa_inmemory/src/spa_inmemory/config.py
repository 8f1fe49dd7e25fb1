"""What can be set on the in-memory transport, and how a ``memory:`` URL says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec

from spa_core.config import ByteSize, Seconds, TransportConfig, config_from_url
from spa_core.errors import UrlError

if TYPE_CHECKING:
    from spa_core.url import Url

__all__ = ["MemoryConfig"]


class MemoryConfig(TransportConfig, frozen=True):
    """
    Which broker of the process to use, and the bounds that keep its memory small.

    A queue belongs to a subscription, a group's queue to all members of the group; it has the size that the socket
    of its first subscription is configured with. What a publish does about a full queue is up to the publishing
    socket. A queue is full when *queue_size* messages wait in it, delayed ones included; those handed out and not
    yet settled are bounded by the members' ``prefetch`` and do not count.

    Attributes:
        name: The broker's name; sockets of one process with the same name share one broker.
        queue_size: The most messages that wait in one queue, at least 1.
        overflow: What a publish does about a full queue: ``"wait"`` for room, or raise an ``"error"`` at once. Other
            queues get the message in both cases.
        publish_timeout: How many seconds a publish waits for room before it raises ``QueueFullError``.
        max_retained: The most topics with a retained message, at least 1.
        max_payload: The largest payload in bytes; ``None`` is no limit.

    Example:
        >>> from spa_core.url import Url
        >>> MemoryConfig.from_url(Url.parse("memory://plant?queue_size=50&publish_timeout=500ms")).publish_timeout
        0.5
    """

    name: str = ""
    queue_size: Annotated[int, msgspec.Meta(ge=1)] = 1000
    overflow: Literal["wait", "error"] = "wait"
    publish_timeout: Seconds = 30.0
    max_retained: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    max_payload: ByteSize | None = None

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """
        Make a configuration of ``memory://name?parameter=value``; ``memory://`` is the broker named ``""``.

        Raises:
            UrlError: The URL has more than a name: a user, a port, a path or several hosts.
            ParameterError: A parameter is unknown or does not fit.
        """
        if url.username is not None or url.password is not None or url.path.strip("/"):
            raise _more_than_a_name(url)
        if len(url.hosts) > 1 or any(host.port is not None for host in url.hosts):
            raise _more_than_a_name(url)
        name = url.hosts[0].name if url.hosts else ""
        return config_from_url(cls, url, fixed={"name": name})


def _more_than_a_name(url: Url) -> UrlError:
    message = "the memory URL has a user, a port, a path or several hosts, but it holds only a name and parameters"
    return UrlError(message, url=str(url), hint="Write memory://name, as in memory://plant?queue_size=100")
