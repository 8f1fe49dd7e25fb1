"""The application that handles messages: its callback runs once for each message of its topics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from spa_core._application.applications import AbstractApplication
from spa_core._application.binding import callable_handler, message_arguments
from spa_core._application.signature import read_signature
from spa_core._application.unprovided import Unprovided
from spa_core._delivery.dead_letters import check_pattern
from spa_core._delivery.handling import Consumer
from spa_core._delivery.pipeline import ORDERINGS, Pipeline
from spa_core._delivery.policy import FailurePolicy
from spa_core._messaging.socket import as_tuple
from spa_core.errors import ConfigurationError
from spa_core.topics import TopicTemplate
from spa_core.transport import SubscriptionSpec, check_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from spa_core._application.signature import Signature
    from spa_core._delivery.pipeline import Ordering
    from spa_core._delivery.progress import Progress
    from spa_core._messaging.provider import SocketProvider

__all__ = ["ConsumerApplication"]


class ConsumerApplication(AbstractApplication):
    """
    An application that runs its callback for each message of its topics.

    A message is settled after its callback returned: at least once. A returned value answers the message if it has a
    response topic.
    """

    def __init__(
        self,
        async_callback: Callable[..., Any],
        socket_provider: SocketProvider[Any],
        *args: Any,
        topics: str | Iterable[str] | None = None,
        group: str | None = None,
        concurrency: int = 1,
        ordering: Ordering = "key",
        policy: FailurePolicy | None = None,
        **keywords: Any,
    ) -> None:
        """
        Make a consumer; nothing is opened.

        Args:
            async_callback: The handler.
            socket_provider: What its socket is made of.
            *args: As :class:`AbstractApplication`.
            topics: Topics, filters or templates; ``None``: the provider's default topics.
            group: Share the messages with the other members of this group; ``None``: the provider's group, or every
                message for every instance.
            concurrency: Handlers that may run at once.
            ordering: With several at once: messages of one ``"key"`` or of one ``"topic"`` never overtake each other,
                or ``"none"`` is kept. With one at a time everything is in order.
            policy: What happens to messages whose handler fails.
            **keywords: As :class:`AbstractApplication`.

        Raises:
            SignatureError: The callback asks for what it cannot get.
            TopicError: A topic is not valid.
            ConfigurationError: Another argument cannot be used.
        """
        super().__init__(async_callback, socket_provider, *args, **keywords)
        if concurrency < 1:
            message = f"concurrency of {self.name} must be at least 1, not {concurrency}"
            raise ConfigurationError(message)
        if ordering not in ORDERINGS:
            message = f"ordering of {self.name} must be one of {', '.join(ORDERINGS)}, not {ordering!r}"
            raise ConfigurationError(message)
        self._topics = () if topics is None else as_tuple(topics)
        self._group = group
        self.concurrency = concurrency
        self.ordering: Ordering = ordering
        self.policy = policy or FailurePolicy()
        self._signature: Signature
        self.use_provider(socket_provider)
        self._pipeline = self._new_pipeline()
        self._handles = False

    @property
    def templates(self) -> tuple[TopicTemplate, ...]:
        """What it listens to."""
        return self._templates

    @property
    def group(self) -> str | None:
        """Its consumer group."""
        group: str | None = self.socket_provider.config.group
        return group

    @property
    def progress(self) -> Progress | None:
        """What it has done with its messages."""
        return self._pipeline.progress

    def use_provider(self, provider: SocketProvider[Any]) -> None:
        """
        Take the socket from *provider* from now on, with this application's own topics and group.

        Raises:
            SignatureError: The callback asks for what the provider's default topics do not give.
            TopicError: One of them is not valid.
        """
        topics = self._topics or provider.config.default_subscription_topics
        self._templates = tuple(TopicTemplate(topic) for topic in topics)
        filters = tuple(dict.fromkeys(template.filter for template in self._templates))
        group = self._group if self._group is not None else provider.config.group
        # In hand may be at least as many messages as are handled at once, or prefetch would bound the concurrency.
        prefetch = max(provider.config.prefetch, self.concurrency)
        self.socket_provider = provider.overwrite_config(topics=filters, group=group, prefetch=prefetch)
        check_pattern(self._dead_letter_topic())
        if topics or not isinstance(provider, Unprovided):
            levels = self._level_names()
            self._signature = read_signature(self.callback, resources=self.resources, levels=levels, has_message=True)

    def check(self) -> None:
        """
        Refuse what cannot work, before anything is opened.

        Raises:
            CapabilityError: The transport does not declare groups, wildcards or fan-out that are asked for.
            ConfigurationError: There are no topics to listen to.
        """
        provider = self.socket_provider
        topics = provider.config.default_subscription_topics
        if topics:
            spec = SubscriptionSpec(topics=topics, group=self.group)
            check_subscription(provider.capabilities, spec, transport=provider.describe())
        elif type(self).run_async is ConsumerApplication.run_async:
            message = f"{self.name} has no topics, so that it would never handle anything"
            raise ConfigurationError(message, hint="Give it topics, or its provider default topics")

    async def run_async(self) -> None:
        """Handle messages until fetching is stopped and those handed out are done."""
        self._handles = True
        self._pipeline = self._new_pipeline()
        await self._pipeline.run(self._consumer(), self._live_socket().consume)

    async def drain(self) -> None:
        """Fetch no more; the messages handed out are finished. A :meth:`run_async` of a subclass's own is cancelled."""
        if self._handles:
            await self._live_socket().stop_fetching()
        else:
            await super().drain()

    def _new_pipeline(self) -> Pipeline:
        prefetch = self.socket_provider.config.prefetch
        return Pipeline(concurrency=self.concurrency, ordering=self.ordering, prefetch=prefetch)

    def _consumer(self) -> Consumer:
        socket, signature = self._live_socket(), self._signature
        return Consumer(
            name=self.name,
            group=self.group or self.name,
            bind=message_arguments(
                signature,
                self._constants(signature),
                codecs=self.socket_provider.codecs,
                templates=self._templates,
            ),
            call=self._observed(callable_handler(self.callback, is_async=signature.is_async, threads=self.concurrency)),
            publish=socket.publish_letter,
            reply=socket.reply,
            reply_error=socket.reply_error,
            policy=self.policy,
            dead_letter_topic=self._dead_letter_topic(),
            capabilities=self.socket_provider.capabilities,
            on_settled=self.notices.on_settled(self),
            on_given_up=None if self.observer is None else partial(self.observer.gave_up, self),
        )

    def _dead_letter_topic(self) -> str:
        return self.policy.dead_letter_topic or self.socket_provider.dead_letter_topic

    def _level_names(self) -> Sequence[str]:
        """Return the parameters that every topic has: a handler cannot ask for one that only some of them give."""
        if not self._templates:
            return ()
        first, *others = self._templates
        return [name for name in first.names if all(name in other.names for other in others)]
