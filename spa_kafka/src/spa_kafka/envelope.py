"""
An envelope as nodes on Kafka need it: with topics inside by the names that Kafka has for them.

What stands inside an envelope is read by programs that know no header and no other spelling. A node of spa-dat
publishes its answer to the text it is given as response topic, and that text alone ties the answer to its request; so
each request names a topic of its own, which exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spa_core.errors import TopicError
from spa_kafka.replies import own_topic
from spa_kafka.topics import kafka_name

if TYPE_CHECKING:
    from spa_core.envelopes import Envelope
    from spa_core.message import SpaMessage

__all__ = ["KafkaEnvelope", "kafka_envelope"]


class KafkaEnvelope:
    """
    Another envelope, with Kafka's names inside.

    The message outside keeps its response topic, in Kafka's spelling too, so that the transport can see to it that the
    topic exists before anybody answers.

    Args:
        inner: The envelope.

    Example:
        >>> from spa_core.envelopes import SpaDatEnvelope
        >>> from spa_core.message import SpaMessage
        >>> request = SpaMessage(topic="plants/flow", response_topic="spa/reply/6f1c/17")
        >>> KafkaEnvelope(SpaDatEnvelope()).wrap(request).response_topic
        'spa.reply.6f1c.17'
    """

    def __init__(self, inner: Envelope) -> None:
        self.inner = inner

    def wrap(self, message: SpaMessage) -> SpaMessage:
        """
        Return *message* as it goes on the wire.

        Raises:
            EncodeError: The envelope cannot hold the message.
        """
        response_topic = None if message.response_topic is None else _spelled(message.response_topic)
        inside = message.replace(topic=_spelled(message.topic), response_topic=response_topic)
        return self.inner.wrap(inside).replace(topic=message.topic, response_topic=response_topic)

    def unwrap(self, message: SpaMessage) -> SpaMessage:
        """Return the message inside, or the very same object if its payload is not this envelope."""
        return self.inner.unwrap(message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"


def kafka_envelope(envelope: Envelope | None) -> Envelope | None:
    """Return *envelope* with Kafka's names inside; ``None`` stays ``None``, and what has them stays what it is."""
    return envelope if envelope is None or isinstance(envelope, KafkaEnvelope) else KafkaEnvelope(envelope)


def _spelled(topic: str) -> str:
    try:
        return own_topic(topic) or kafka_name(topic)
    except TopicError:  # the transport refuses to publish there; an answer may be expected elsewhere
        return topic
