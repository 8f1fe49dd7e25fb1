"""What is done to every message on its way out, worked out once for each socket; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core.errors import EncodeError
from spa_core.message import SpaMessage
from spa_core.topics import validate_topic
from spa_core.transport import message_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from spa_core._messaging.builder import MessageBuilder
    from spa_core.envelopes import Envelope
    from spa_core.transport import Capabilities


NOTHING: Final = b""
"""No value was given; the very object, of which CPython has one, so that giving it makes no difference."""


def check_whole(message: SpaMessage, value: object, fields: Mapping[str, object]) -> None:
    """
    Refuse what is no message, and what is given beside one, because it would be lost without a word.

    Raises:
        TypeError: Says what may be given.
    """
    if not isinstance(message, SpaMessage):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
        text = f"give a message or a topic, not {type(message).__name__}"  # type: ignore[unreachable]
        raise TypeError(text)
    if fields or value is not NOTHING:
        given = ", ".join([*([] if value is NOTHING else ["a value"]), *sorted(fields)])
        text = f"{given} cannot be given beside a complete message; change it with message.replace(), or give its topic"
        raise TypeError(text)


class Outgoing:
    """Identity, hooks, validation, capability checks and the envelope, in this order."""

    def __init__(
        self,
        identity: MessageBuilder,
        *,
        before_publish: Iterable[Callable[[SpaMessage], SpaMessage]],
        capabilities: Capabilities,
        envelope: Envelope | None,
        transport: str,
    ) -> None:
        self._identity = identity
        self._changes = tuple(before_publish)
        self._check = message_check(capabilities, transport=transport)
        self._honours_ttl = capabilities.ttl
        self._envelope = envelope

    def prepare(self, message: SpaMessage, *, must_fit: bool = True) -> SpaMessage:
        """
        Return the message as the transport is to send it.

        Args:
            message: The message.
            must_fit: Whether it has to go into the envelope; if not, what the envelope cannot hold goes out without it.

        Raises:
            TopicError: The topic is not valid to publish to.
            CapabilityError: The message holds what the transport cannot carry.
            EncodeError: The envelope cannot hold the payload.
        """
        if message.client_id is None:
            identity = self._identity
            name = message.client_name or identity.client_name
            message = message.replace(client_id=identity.client_id, client_name=name)
        for change in self._changes:
            message = change(message)
        validate_topic(message.topic)
        if self._check is not None:
            self._check(message)
        if self._envelope is None:
            return message
        try:
            return self._envelope.wrap(message)
        except EncodeError:
            if must_fit:
                raise
            return message

    def expiring(self, message: SpaMessage, seconds: float) -> SpaMessage:
        """Return a request that nobody handles after its requester has given up, where the transport can do that."""
        return message.replace(ttl=seconds) if self._honours_ttl and message.ttl is None else message
