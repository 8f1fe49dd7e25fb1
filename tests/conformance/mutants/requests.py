"""Transports that mix requests and replies up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutants import base
from mutants.base import Mutant, caught_by

if TYPE_CHECKING:
    from spa_core import SpaMessage


@caught_by("test_shuffled_replies_reach_their_requests")
class AnswersTheRequestBefore(Mutant):
    """A reply goes to the address of the one before it."""

    class Socket(base.Socket):
        address: str | None = None

        async def publish(self, message: SpaMessage) -> bool:
            if not message.topic.startswith(self.mutant.reply_prefix):
                return await super().publish(message)
            address, self.address = self.address or message.topic, message.topic
            return await super().publish(message.replace(topic=address))


@caught_by("test_a_responder_need_only_publish_to_the_response_topic")
class ForgetsResponseTopic(Mutant):
    """Whom to answer is not carried."""

    class Delivery(base.Delivery):
        @property
        def message(self) -> SpaMessage:
            return super().message.replace(response_topic=None)
