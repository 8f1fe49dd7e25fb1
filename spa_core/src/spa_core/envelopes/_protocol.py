"""What an envelope is; knows no dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from spa_core.message import SpaMessage

__all__ = ["Envelope"]


@runtime_checkable
class Envelope(Protocol):
    """
    How messages look on the wire where that is not the transport's native form.

    One object serves all sockets of a provider and may be called from several threads.
    """

    def wrap(self, message: SpaMessage) -> SpaMessage:
        """
        Return *message* as it goes on the wire.

        The payload is the wrapped message. What the envelope holds is taken out of the native fields, what it cannot
        hold stays there, and so does the topic.

        Raises:
            EncodeError: The envelope cannot hold the message.
        """
        ...

    def unwrap(self, message: SpaMessage) -> SpaMessage:
        """
        Return the message inside, or the very same object if its payload is not this envelope.

        Never raises: what arrives may come from anybody.
        """
        ...
