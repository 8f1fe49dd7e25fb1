"""Transports that declare what they do not do, or do what they do not declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mutants import base
from mutants.base import Mutant, caught_by

if TYPE_CHECKING:
    from spa_core import SpaMessage
    from spa_core.transport import Capabilities


@caught_by("test_a_message_that_waits_too_long_expires")
class NeverExpires(Mutant):
    """The time to live is declared, and ignored."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            return await super().publish(message.replace(ttl=None))


@caught_by("test_publish_tells_whether_anybody_listens")
class SaysThatSomebodyListens(Mutant):
    """Whether anybody listens is declared to be known, and guessed."""

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            await super().publish(message)
            return True


@caught_by("test_messages_outlive_the_last_socket")
class SaysThatMessagesPersist(Mutant):
    """Messages are declared to outlive the last socket, and do not."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, persistent=True)


@caught_by("test_a_new_subscription_gets_old_messages")
class SaysThatItReplays(Mutant):
    """New subscriptions are declared to get old messages, and do not."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, replay=True)


@caught_by("test_the_largest_payload")
class SaysThatMoreFits(Mutant):
    """The limit is declared one byte too high."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, max_payload=(self.config.max_payload or 0) + 1)

    class Socket(base.Socket):
        async def publish(self, message: SpaMessage) -> bool:
            return await super().publish(message.replace(payload=message.payload[: self._config.max_payload]))


@caught_by("test_retain_is_declared_as_it_is")
class RetainsUndeclared(Mutant):
    """Messages are retained, and that is not declared."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, retain=False)


@caught_by("test_groups_are_declared_as_they_are")
class SharesUndeclared(Mutant):
    """Members of a group share, and groups are not declared."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, groups=False, durable=False)


@caught_by("test_what_is_declared_is_sound")
class ContradictsItself(Mutant):
    """Groups are declared to keep messages, and not to exist."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, groups=False)
