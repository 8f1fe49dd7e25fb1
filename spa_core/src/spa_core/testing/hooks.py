"""
What an author may tell the suite beyond how to make a provider.

Every hook is optional: scenarios that need one which is not given are skipped, with its name as the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from spa_core import SocketProvider

__all__ = ["Hooks", "is_given"]


class Hooks:
    """
    The optional part of a suite, to be overridden.

    Attributes:
        url: A URL that :class:`~spa_core.SocketProviderFactory` makes a provider of this transport of; nothing
            need listen there.
    """

    url: ClassVar[str | None] = None

    async def restart_broker(self) -> None:
        """
        Stop the broker and start it again; return when it accepts connections.

        For brokers that keep over a restart what they store. One that only keeps it while it runs declares
        ``persistent`` too, because messages outlive the last socket, and is not restarted here.
        """
        raise NotImplementedError

    def cut_network(self) -> AbstractAsyncContextManager[None]:
        """
        Return a context in which the broker cannot be reached.

        Entering ends every connection that there is and keeps new ones from being made; leaving lets them be made.
        """
        raise NotImplementedError

    def make_unreachable_provider(self) -> SocketProvider[Any]:
        """Make a provider for an address where nothing listens, with a deadline for connecting below a second."""
        raise NotImplementedError

    def make_refused_provider(self) -> SocketProvider[Any]:
        """Make a provider for the running broker, with credentials that it refuses."""
        raise NotImplementedError

    def create_topic(self, topic: str) -> None:
        """
        Make a topic, for transports whose topics must exist before they are used (``auto_create`` is not declared).

        Called with each topic that a scenario names; returns when the topic can be used. It may block.
        """
        raise NotImplementedError

    def make_bounded_provider(self, limit: int) -> SocketProvider[Any]:
        """
        Make a provider under which not more than *limit* messages wait for one subscription.

        For transports whose publishers meet a bound of their own; a broker that stores messages needs none.
        """
        raise NotImplementedError


def is_given(suite: object, hook: str) -> bool:
    """Whether the author of *suite* has overridden *hook*."""
    return getattr(type(suite), hook, None) is not getattr(Hooks, hook)
