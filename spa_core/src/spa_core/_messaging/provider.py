"""
What makes sockets: the one class a transport author subclasses.

Making a provider does no I/O; entering a socket does. Providers never change: every change makes a new one.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from spa_core._messaging.socket import SpaSocket
from spa_core.codecs import CodecRegistry
from spa_core.config import TransportConfig, describe_config, replace_config, validate_config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spa_core._messaging.iteration import MessageQueue
    from spa_core.envelopes import Envelope
    from spa_core.transport import Capabilities, ConnectionListener, TransportSocket

__all__ = ["SocketProvider"]

ConfigT_co = TypeVar("ConfigT_co", bound=TransportConfig, covariant=True)


class SocketProvider(ABC, Generic[ConfigT_co]):
    """
    A configured transport that has not connected yet.

    A transport author gives three things: a configuration type (:class:`~spa_core.config.TransportConfig`),
    :attr:`capabilities` and :meth:`open`. Core gives the rest.

    Attributes:
        config: The typed configuration.
        codecs: The codecs that payload objects go through.
        envelope: How messages are wrapped on the wire; ``None`` is the transport's native form.
        reply_prefix: First levels of the topics that replies come back on.
        dead_letter_topic: Pattern of the default dead-letter topic; may hold ``{topic}`` and ``{group}``.

    Example:
        >>> from spa_inmemory import MemoryConfig, MemorySocketProvider
        >>> MemorySocketProvider(MemoryConfig(name="plant")).describe()
        "MemoryConfig(name='plant')"
    """

    reply_prefix: ClassVar[str] = "spa/reply"
    dead_letter_topic: ClassVar[str] = "dead-letters/{group}/{topic}"

    def __init__(self, config: ConfigT_co) -> None:
        """
        Make a provider; nothing is opened.

        Raises:
            ParameterError: A value of *config* does not fit its field.
        """
        validate_config(config)
        self.config = config
        self.codecs = CodecRegistry()
        self.envelope: Envelope | None = None

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this transport can do under this configuration."""

    @abstractmethod
    def open(self, on_connection: ConnectionListener) -> TransportSocket:
        """
        Make the transport's socket; it connects when it is entered.

        Args:
            on_connection: To be called at each change of the connection.
        """

    def create_socket(self, queue: MessageQueue | None = None) -> SpaSocket:
        """
        Make a socket; it connects when it is entered.

        Args:
            queue: Anything with an async ``put``, such as ``asyncio.Queue``: every message of the socket's
                subscriptions is put there and counts as handled once it is in. Without it, iterate over the socket.
        """
        return SpaSocket(self, queue)

    def overwrite_config(self, **changes: Any) -> Self:
        """
        Return a new provider with some configuration fields changed; this one stays as it is.

        Args:
            **changes: Fields of the configuration; ``topics`` stands for ``default_subscription_topics``.

        Raises:
            ParameterError: A name or a value does not fit; names the nearest field.
        """
        return self._with(config=replace_config(self.config, **changes))

    def rebuild(self, topics: str | Iterable[str] | None = None, **changes: Any) -> Self:
        """
        Do what :meth:`overwrite_config` does, under the name it has in the origin's 0.3 and 0.4.

        Args:
            topics: The default topics; ``None`` keeps those of this provider, as the origin does.
            **changes: Further fields of the configuration.

        Raises:
            ParameterError: A name or a value does not fit; names the nearest field.
        """
        return self.overwrite_config(**({} if topics is None else {"topics": topics}), **changes)

    def with_codecs(self, codecs: CodecRegistry) -> Self:
        """Return a new provider whose sockets use *codecs*."""
        return self._with(codecs=codecs)

    def with_envelope(self, envelope: Envelope | None) -> Self:
        """Return a new provider whose sockets wrap messages in *envelope* on the wire."""
        return self._with(envelope=envelope)

    def describe(self) -> str:
        """Return one line about the configuration, secrets redacted."""
        return describe_config(self.config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.describe()}>"

    def _with(self, **attributes: object) -> Self:
        changed = copy.copy(self)
        for name, value in attributes.items():
            setattr(changed, name, value)
        return changed
