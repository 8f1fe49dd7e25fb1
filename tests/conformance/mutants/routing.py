"""Transports that select the wrong messages for a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from mutants import base
from mutants.base import Mutant, caught_by
from spa_core.topics import matches
from spa_inmemory.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spa_core import SpaMessage
    from spa_inmemory.queues import MessageQueue


class Rerouting(base.Socket):
    """A socket whose broker has other routes; for a broker that begins with it."""

    routes: ClassVar[type[Routes]]

    async def __aenter__(self) -> Self:
        """Join the broker."""
        await super().__aenter__()
        assert self._broker is not None
        if not isinstance(self._broker.routes, self.routes):
            self._broker.routes = self.routes()
        return self


@caught_by("test_dollar_topics_are_hidden_from_leading_wildcards")
class ShowsDollarTopics(Mutant):
    """A leading wildcard selects topics that begin with ``$`` too."""

    class Socket(Rerouting):
        class routes(Routes):  # noqa: N801 - an attribute
            def targets(self, message: SpaMessage) -> Sequence[MessageQueue]:
                plain = message.replace(topic=message.topic.lstrip("$") or "$")
                return list(dict.fromkeys([*super().targets(message), *super().targets(plain)]))


@caught_by("test_overlapping_patterns_deliver_once")
class DeliversForEachPattern(Mutant):
    """A message that several patterns of a subscription select is delivered once for each."""

    class Socket(Rerouting):
        class routes(Routes):  # noqa: N801 - an attribute
            def __init__(self) -> None:
                super().__init__()
                self.filters: dict[MessageQueue, list[str]] = {}

            def add(self, filters: Iterable[str], queue: MessageQueue, *, group: str | None = None) -> None:
                filters = self.filters[queue] = list(filters)
                super().add(filters, queue, group=group)

            def targets(self, message: SpaMessage) -> Sequence[MessageQueue]:
                targets = super().targets(message)
                return [queue for queue in targets for each in self.filters[queue] if matches(each, message.topic)]


@caught_by("test_hash_is_the_rest_and_its_parent")
class HidesTheParent(Mutant):
    """``a/#`` does not select ``a``."""

    class Socket(Rerouting):
        class routes(Routes):  # noqa: N801 - an attribute
            def __init__(self) -> None:
                super().__init__()
                self.filters: dict[MessageQueue, list[str]] = {}

            def add(self, filters: Iterable[str], queue: MessageQueue, *, group: str | None = None) -> None:
                filters = self.filters[queue] = list(filters)
                super().add(filters, queue, group=group)

            def targets(self, message: SpaMessage) -> Sequence[MessageQueue]:
                parent = f"{message.topic}/#"
                return [queue for queue in super().targets(message) if parent not in self.filters[queue]]
